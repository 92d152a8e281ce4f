#include <boost/asio/io_context.hpp>

#include <filesystem>
#include <string>

#include "checking.hpp"
#include "support/run.hpp"

namespace nori::suites {
namespace {

// Counts groups as their records come; each must follow the one before it.
class group_scan {
 public:
  explicit group_scan(std::uint64_t seed) : seed_(seed) {}

  void take(const entry& each) {
    const group what(seed_, groups_);
    const record wanted = what.made(within_);
    const std::string at = "record " + std::to_string(within_) + " of group " +
                           std::to_string(groups_) + " (" + std::to_string(each.at.segment_id) +
                           ":" + std::to_string(each.at.offset) + ")";
    if (each.key != wanted.key) throw broken("instead of " + at + " there is another record");
    if (each.value != wanted.value) throw broken(at + " has another value");
    ++within_;
    if (each.ends_batch != (within_ == what.records())) {
      throw broken(at + " is in a batch of another length");
    }
    if (each.ends_batch) {
      within_ = 0;
      ++groups_;
    }
    ++records_;
  }
  void end() const {
    if (within_ != 0) throw broken("the log ends within group " + std::to_string(groups_));
  }
  [[nodiscard]] std::uint64_t groups() const { return groups_; }
  [[nodiscard]] std::uint64_t records() const { return records_; }

 private:
  std::uint64_t seed_;
  std::uint64_t groups_ = 0;
  std::uint64_t records_ = 0;
  std::size_t within_ = 0;
};

asio::awaitable<group_scan> scan_log(const wal* log, std::uint64_t seed) {
  group_scan found(seed);
  reader from = log->read_from({});
  for (;;) {
    const std::span<const entry> some = co_await from.next_batch();
    if (some.empty()) break;
    for (const entry& each : some) found.take(each);
  }
  found.end();
  co_return found;
}

}  // namespace

std::vector<std::uint64_t> check_log(const workload& what, const std::string& dir,
                                     const account& told, fault after) {
  // A directory that was never promised to be there.
  if (!std::filesystem::exists(dir)) {
    require_promised(told.lanes().front(), 0, after);
    return {0};
  }
  asio::io_context io;
  config options = what.log_config(dir);
  options.verify = verification::everything;
  std::uint64_t groups = 0;
  {
    wal::opened opened = test::run(io, wal::open(options));
    if (opened.recovered.corruption_detected) throw broken("recovery reports corruption");
    const group_scan found = test::run(io, scan_log(&opened.log, what.seed));
    if (found.records() != opened.recovered.valid_records) {
      throw broken("recovery reports " + std::to_string(opened.recovered.valid_records) +
                   " records, and there are " + std::to_string(found.records()));
    }
    groups = found.groups();
    require_promised(told.lanes().front(), groups, after);
    // Closed or left as it is: the next opening meets both.
    if (groups % 2 == 0) test::run(io, opened.log.close());
  }
  io.restart();
  io.run();
  return {groups};
}

}  // namespace nori::suites
