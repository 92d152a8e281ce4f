#ifndef NORI_TEST_SUITES_ON_DISK_WORKLOAD_HPP
#define NORI_TEST_SUITES_ON_DISK_WORKLOAD_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <nori/store/event.hpp>
#include <nori/store/event_store.hpp>
#include <nori/wal.hpp>

namespace nori::suites {

[[nodiscard]] std::uint64_t mixed(std::uint64_t value);

/// Random numbers that follow from a seed.
class random_numbers {
 public:
  explicit random_numbers(std::uint64_t seed) : state_(mixed(seed)) {}
  std::uint64_t operator()() { return mixed(state_ += 0x9e3779b97f4a7c15U); }
  /// 0 up to and without `end`.
  std::uint64_t below(std::uint64_t end) { return (*this)() % end; }

 private:
  std::uint64_t state_;
};

/// What a writer does to a directory. With the seed it says every byte that it may append.
struct workload {
  bool store = false;  ///< an event store; otherwise a log
  fsync_policy::kind policy = fsync_policy::kind::always;
  nori::backend backend = nori::backend::automatic;
  std::uint64_t seed = 0;

  [[nodiscard]] config log_config(const std::string& dir) const;
  [[nodiscard]] store_config events_config(const std::string& dir) const;
  /// How many number their appends independently of each other, one append of each at a time: one
  /// in a log, where any number of appends may be under way.
  [[nodiscard]] std::size_t lanes() const { return store ? 3 : 1; }

  [[nodiscard]] std::string text() const;
  /// The inverse of text(); throws for anything else.
  [[nodiscard]] static workload from(const std::string& text);
  [[nodiscard]] static workload any(random_numbers& random);
};

/// The window of fsync_policy::batch.
inline constexpr std::chrono::milliseconds sync_window(20);

/// Records that are appended together to a log.
class group {
 public:
  group(std::uint64_t seed, std::uint64_t number);

  [[nodiscard]] std::uint64_t number() const { return number_; }
  [[nodiscard]] std::size_t records() const { return records_; }
  [[nodiscard]] record made(std::size_t index) const;

 private:
  std::uint64_t number_;
  std::uint64_t bits_;
  std::size_t records_;
};

/// Events that are appended together to a store: to a stream of the lane's, to one that all lanes
/// share, or to both.
class event_group {
 public:
  event_group(std::uint64_t seed, std::size_t lane, std::uint64_t number);

  [[nodiscard]] std::size_t lane() const { return lane_; }
  [[nodiscard]] std::uint64_t number() const { return number_; }
  [[nodiscard]] std::size_t own() const { return own_; }
  [[nodiscard]] std::size_t shared() const { return shared_; }
  [[nodiscard]] std::size_t events() const { return own_ + shared_; }
  [[nodiscard]] std::size_t place() const { return (bits_ >> 16) % own_streams; }
  [[nodiscard]] std::string stream_of(std::size_t index) const;
  [[nodiscard]] event made(std::size_t index) const;

  static constexpr std::size_t own_streams = 2;
  [[nodiscard]] static std::string own_stream(std::size_t lane, std::size_t place);

 private:
  std::size_t lane_;
  std::uint64_t number_;
  std::uint64_t bits_;
  std::size_t own_ = 0;
  std::size_t shared_ = 0;
};

/// Where an event comes from, as its id says.
struct origin {
  std::uint32_t lane = 0;
  std::uint32_t index = 0;
  std::uint64_t number = 0;
};
[[nodiscard]] origin origin_of(uuid id);

inline constexpr const char* checkpoint_name = "reader";
inline constexpr std::size_t event_types = 3;
inline constexpr std::size_t event_tags = 4;
/// Where the snapshots of the store in `dir` are.
[[nodiscard]] std::string snapshots_beside(const std::string& dir);
[[nodiscard]] std::string snapshot_data(const std::string& stream, std::uint64_t revision);

}  // namespace nori::suites

#endif
