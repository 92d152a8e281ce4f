#include "verbs/carry_out.hpp"

#include <cstdio>
#include <stdexcept>

#include "common/results.hpp"

namespace nori::bench {

int carry_out(arguments given, std::string_view introduction, const option_table& table,
              const run_options& run, const std::function<outcome()>& measure) {
  if (!table.parse(given)) {
    std::printf("%s\n%s", introduction.data(), table.help().c_str());
    return 0;
  }
  check(run);
  const outcome found = measure();
  print(run, found.text);
  print_warnings(found.warnings);
  write_results(run, found.document);
  // Last: whoever read the text may have gone, which takes nothing from the files.
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    throw std::runtime_error("writing to standard output failed");
  }
  if (found.interrupted) throw interrupted();
  return 0;
}

}  // namespace nori::bench
