#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>

#include "common/measure.hpp"
#include "common/options.hpp"
#include "verbs/verbs.hpp"

namespace {

using namespace nori::bench;

constexpr int status_failed = 1;
constexpr int status_usage = 2;
constexpr int status_interrupted = 130;

std::string help() {
  std::string text =
      "nori-bench measures nori against the best that system calls can do on the same disk, in "
      "the\n"
      "same run.\n\n"
      "usage: nori-bench VERB [OPTION]...      nori-bench VERB --help\n\n";
  std::size_t width = 0;
  for (const verb& each : verbs) width = std::max(width, each.name.size());
  for (const verb& each : verbs) {
    text += "  " + std::string(each.name) + std::string(width + 3 - each.name.size(), ' ') +
            std::string(each.summary) + "\n";
  }
  return text +
         "\nFigures are medians of rounds, in which nori and raw take turns. Absolute figures "
         "move\n"
         "by tens of percent with the disk's mood: the ratio is the result. Measure on a quiet\n"
         "machine, in a directory on the disk that matters.\n";
}

int run(std::span<char* const> given) {
  if (given.empty()) {
    std::fputs(help().c_str(), stderr);
    return status_usage;
  }
  const std::string_view name = given.front();
  if (name == "--help" || name == "-h" || name == "help") {
    std::fputs(help().c_str(), stdout);
    return 0;
  }
  for (const verb& each : verbs) {
    if (each.name == name) return each.run(given.subspan(1));
  }
  throw usage_error(std::string(name) + ": there is no such verb; see nori-bench --help");
}

}  // namespace

int main(int count, char** values) {
  try {
    watch_for_interrupts();
    return run({values + 1, static_cast<std::size_t>(std::max(0, count - 1))});
  } catch (const usage_error& error) {
    std::fprintf(stderr, "nori-bench: %s\n", error.what());
    return status_usage;
  } catch (const interrupted&) {
    std::fputs("nori-bench: interrupted\n", stderr);
    return status_interrupted;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "nori-bench: %s\n", error.what());
    return status_failed;
  }
}
