#include "workload/peer_scans.hpp"

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>

#include "workload/context.hpp"

namespace nori::bench {

namespace {

constexpr std::uint64_t records_at_once = 1000;

void expect_all(const peer_kind& kind, std::uint64_t found, std::uint64_t records) {
  if (found == records) return;
  throw std::runtime_error(kind.name + " gave " + std::to_string(found) + " of " +
                           std::to_string(records) + " records");
}

}  // namespace

void fill_peer(const peer_kind& kind, const std::filesystem::path& dir, std::size_t size,
               std::uint64_t records) {
  const std::string value = make_value(size);
  const std::unique_ptr<peer> opened = kind.open(dir);
  const std::unique_ptr<peer_writer> to = opened->make_writer();
  for (std::uint64_t done = 0; done < records; done += records_at_once) {
    throw_if_interrupted();
    to->append(value, std::min(records_at_once, records - done));
  }
}

void scan_peer_once(const peer_kind& kind, const std::filesystem::path& dir,
                    std::uint64_t records) {
  const scanner scan = kind.open_to_scan(dir);
  static_cast<void>(take_pass([&](turn& now) { expect_all(kind, scan(now), records); }));
}

turn_result scan_peer(const peer_kind& kind, const std::filesystem::path& dir,
                      std::uint64_t records, double seconds) {
  // Opened before the turn, as the log is: opening may recover what lies in a log of its own.
  const scanner scan = kind.open_to_scan(dir);
  return take_turn(seconds, dir.parent_path(), 1, [&](turn& now) {
    while (now.now() != phase::over) {
      const std::uint64_t found = scan(now);
      if (now.now() != phase::over) expect_all(kind, found, records);
    }
  });
}

}  // namespace nori::bench
