// The programs behind the suites that use real file systems:
//
//     nori-crash-writer write WORKLOAD DIR FROM UNTIL honest|alone|lies
//     nori-crash-writer check WORKLOAD DIR killed|cut < what the writer told
//     nori-crash-writer refusing SYSTEM_CALL ERROR COMMAND...
//     nori-crash-writer fork_while_open DIR
//     nori-crash-writer SUITE --seed N --seconds S --scratch DIR

#include <algorithm>
#include <exception>
#include <iostream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "checking.hpp"
#include "disks.hpp"
#include "environments.hpp"
#include "suite.hpp"
#include "writer_process.hpp"

namespace nori::suites {

void report_progress(const suite_options& of, std::chrono::steady_clock::time_point begun) {
  using seconds = std::chrono::duration<double>;
  const double all = std::max(1.0, seconds(of.seconds).count());
  std::cout << "progress "
            << std::min(1.0, seconds(std::chrono::steady_clock::now() - begun).count() / all)
            << std::endl;
}

void report_figure(const char* name, std::uint64_t value) {
  std::cout << "figure " << name << ' ' << value << std::endl;
}

void report_control(const char* name, bool caught, const std::string& by) {
  std::cout << "control " << name << (caught ? " caught " + by : " missed") << std::endl;
}

namespace {

constexpr int skipped = 77;
constexpr int writer_failed = 3;

int write(const std::vector<std::string>& arguments) {
  const writing how = writing_from(arguments);
  try {
    if (how.what.store) {
      write_store(how);
    } else {
      write_log(how);
    }
  } catch (const std::exception&) {
    return writer_failed;  // it has told why
  }
  return 0;
}

// Says on standard output how many groups of each lane are there.
int check_told(const std::vector<std::string>& arguments) {
  const workload what = workload::from(arguments.at(0));
  account told(what.lanes());
  told.take(std::string(std::istreambuf_iterator<char>(std::cin), {}));
  const auto found = check(what, arguments.at(1), told,
                           arguments.at(2) == "killed" ? fault::killed_process : fault::power_cut);
  for (std::size_t i = 0; i < found.size(); ++i) std::cout << (i == 0 ? "" : ",") << found[i];
  std::cout << std::endl;
  return 0;
}

suite_options options_from(const std::vector<std::string>& arguments) {
  suite_options options;
  for (std::size_t i = 0; i + 1 < arguments.size(); i += 2) {
    const std::string& value = arguments[i + 1];
    if (arguments[i] == "--seed") {
      options.seed = std::stoull(value);
    } else if (arguments[i] == "--seconds") {
      options.seconds = std::chrono::seconds(std::stoull(value));
    } else if (arguments[i] == "--scratch") {
      options.scratch = value;
    } else {
      throw std::invalid_argument("no such option: " + arguments[i]);
    }
  }
  return options;
}

int run(const std::string& verb, const std::vector<std::string>& arguments) {
  if (verb == "write") return write(arguments);
  if (verb == "check") return check_told(arguments);
  if (verb == "refusing") return refusing(arguments);
  if (verb == "fork_while_open") return fork_while_open(arguments);
  const std::map<std::string, int (*)(const suite_options&)> suites{
      {"file_system_shutdowns", &file_system_shutdowns},
      {"power_cuts", &power_cuts},
      {"overload", &overload},
  };
  const auto found = suites.find(verb);
  if (found == suites.end()) throw std::invalid_argument("no such suite: " + verb);
  const suite_options options = options_from(arguments);
  try {
    return found->second(options);
  } catch (const broken& error) {
    std::cerr << "BROKEN " << error.what() << "\nseed " << options.seed << "; again: test/suites/"
              << verb << " --seed " << options.seed << " --seconds " << options.seconds.count()
              << std::endl;
    return 1;
  }
}

}  // namespace
}  // namespace nori::suites

int main(int argc, char* argv[]) {
  try {
    if (argc < 2) throw std::invalid_argument("what to do?");
    return nori::suites::run(argv[1], {argv + 2, argv + argc});
  } catch (const nori::suites::missing& what) {
    std::cout << "SKIP " << what.what() << std::endl;
    return nori::suites::skipped;
  } catch (const std::exception& error) {
    std::cerr << argv[0] << (argc > 1 ? std::string(" ") + argv[1] : "") << ": " << error.what()
              << std::endl;
    return 2;
  }
}
