#include <iostream>

#include "format/planted_bug.hpp"
#include "suites/simulate/suite.hpp"

namespace nori::simulate {

#ifdef NORI_PLANTED_BUGS

namespace {

using format::planted_bug;

struct control {
  planted_bug bug;
  const char* name;
  std::vector<const char*> suites;  ///< that may find it
};

// The first suite of these that finds it.
const char* found_by(const control& what, std::uint64_t seed, double seconds) {
  for (const char* const name : what.suites) {
    figures counted;
    try {
      run(suite_named(name), seed, budget::seconds(seconds), counted);
    } catch (const violation& broken) {
      std::cerr << what.name << ": " << broken.what() << std::endl;
      return name;
    }
  }
  return nullptr;
}

}  // namespace

int run_controls(std::uint64_t seed, double seconds_each) {
  const std::vector<control> all{
      {planted_bug::skip_sync, "skip_sync", {"crashes"}},
      {planted_bug::acknowledge_before_sync, "acknowledge_before_sync", {"crashes"}},
      {planted_bug::skip_directory_sync, "skip_directory_sync", {"crashes"}},
      {planted_bug::retry_failed_sync, "retry_failed_sync", {"kth_operation", "crashes"}},
      {planted_bug::drop_predecessor_link, "drop_predecessor_link", {"damage"}},
      {planted_bug::drop_last_index_entry, "drop_last_index_entry", {"store"}},
      {planted_bug::adopt_failed_batch_orphans, "adopt_failed_batch_orphans", {"crashes"}},
      {planted_bug::keep_starved_index, "keep_starved_index", {"store_allocations"}},
      {planted_bug::skip_starved_record, "skip_starved_record", {"allocations"}},
  };
  int missed = 0;
  for (const control& each : all) {
    format::plant(each.bug);
    const char* const by = found_by(each, seed, seconds_each);
    format::plant(planted_bug::none);
    std::cout << "control " << each.name << (by != nullptr ? " caught " : " missed")
              << (by != nullptr ? by : "") << std::endl;
    if (by == nullptr) ++missed;
  }
  return missed;
}

#else

int run_controls(std::uint64_t /*seed*/, double /*seconds_each*/) {
  std::cout << "SKIP this build has no planted bugs: use the preset \"planted\"" << std::endl;
  return -1;
}

#endif

}  // namespace nori::simulate
