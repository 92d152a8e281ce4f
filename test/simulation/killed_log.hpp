#ifndef NORI_TEST_SIMULATION_KILLED_LOG_HPP
#define NORI_TEST_SIMULATION_KILLED_LOG_HPP

#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <cstdint>
#include <string>

#include <nori/testing/simulated_disk.hpp>

#include "suites/simulate/log_world.hpp"

namespace nori::simulate {

/// The record of a killed_log; no other one begins alike.
inline std::string record_of(std::uint64_t number) {
  return std::to_string(number) + " record " + std::to_string(number) + ' ' +
         std::string(1000, 'r');
}
inline std::string beginning_of(std::uint64_t number) { return record_of(number).substr(0, 14); }

/// A log that is killed, damaged and opened again.
class killed_log {
 public:
  explicit killed_log(fsync_policy policy = fsync_policy::os()) : world_(5, policy) {
    world_.buffer_bytes = 16 * segment_bytes_lowest;
    world_.open();
  }
  void append(std::uint64_t records) {
    for (; records != 0; --records) {
      world_.append({record_of(count++)});
      world_.run_ready();
    }
  }
  void append_until_segment(std::uint64_t id) {
    while (world_.log().current_position().segment_id < id) append(1);
  }
  void sync() {
    world_.sync();
    BOOST_REQUIRE(world_.settle(std::chrono::seconds(5)));
  }
  void close() { world_.close(); }
  [[nodiscard]] testing::simulated_disk killed() { return world_.disk.after_kill(1); }

  [[nodiscard]] config settings() const { return world_.settings(); }
  found_log open(testing::simulated_disk& on, config settings, recovery_mode how) {
    settings.storage = on.storage();
    settings.recovery = how;
    asio::io_context io;
    return recover(on, io, settings);
  }

  std::uint64_t count = 0;

 private:
  log_world world_;
};

/// Flips a bit of a record in a file.
inline void damage_record(testing::simulated_disk& on, const std::string& name,
                          std::uint64_t number) {
  const std::size_t at = on.bytes_of(name).find(beginning_of(number));
  BOOST_REQUIRE_NE(at, std::string::npos);
  on.flip_bit(name, at + 500, 3);
}

}  // namespace nori::simulate

#endif
