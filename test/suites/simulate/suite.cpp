#include "suites/simulate/suite.hpp"

#include <exception>

namespace nori::simulate {

const std::vector<suite>& suites() {
  static const std::vector<suite> all{
      {"crashes", &crashes},
      {"damage", &damage},
      {"kth_operation", &kth_operation},
      {"store", &store},
      {"allocations", &allocations},
      {"store_allocations", &store_allocations},
  };
  return all;
}

const suite& suite_named(const std::string& name) {
  for (const suite& each : suites()) {
    if (name == each.name) return each;
  }
  throw std::invalid_argument("there is no suite " + name);
}

void run(const suite& what, std::uint64_t seed, const budget& until, figures& counted,
         const std::function<void()>& between) {
  for (std::uint64_t done = 0; !until.over(done); ++done) {
    try {
      what.run_world(seed + done, counted);
    } catch (const std::exception& broken) {
      throw violation(std::string(what.name) + ": " + broken.what() +
                      "; repeat: nori-simulate --suite " + what.name + " --worlds 1 --seed " +
                      std::to_string(seed + done));
    }
    ++counted["worlds"];
    if (between) between();
  }
}

}  // namespace nori::simulate
