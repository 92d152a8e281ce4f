#ifndef NORI_BENCH_WORKLOAD_STORE_FILLING_HPP
#define NORI_BENCH_WORKLOAD_STORE_FILLING_HPP

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include <nori/store/event_store.hpp>

#include "common/options.hpp"
#include "workload/context.hpp"

namespace nori::bench {

/// What a store is filled with: event i goes to stream i % streams and carries tag i % tags, so
/// that the events of each lie as far apart as they can.
struct store_shape {
  log_options log;  ///< `size` is that of an event's data
  std::uint64_t events = 10'000'000;
  std::uint64_t streams = 1'000'000;
  std::uint64_t tags = 100'000;

  store_shape() { log.size = 256; }
};

[[nodiscard]] std::string stream_name(std::uint64_t number);  ///< "account-00000042"
[[nodiscard]] std::string tag_name(std::uint64_t number);     ///< "customer-000042"
inline constexpr std::string_view event_type_name = "deposited";

/// A store that is opened and closed by a thread that runs no coroutines.
class open_event_store {
 public:
  open_event_store(context& on, const log_options& options, fsync_policy policy,
                   const std::filesystem::path& dir);
  ~open_event_store();
  open_event_store(const open_event_store&) = delete;
  open_event_store& operator=(const open_event_store&) = delete;

  [[nodiscard]] event_store& operator*() noexcept { return *store_; }
  [[nodiscard]] event_store* operator->() noexcept { return &*store_; }
  [[nodiscard]] const store_recovery_info& recovered() const noexcept { return recovered_; }
  void close();

 private:
  context& on_;
  std::optional<event_store> store_;
  store_recovery_info recovered_;
};

/// How filling went.
struct filling {
  double seconds = 0;
  std::uint64_t events = 0;
};

/// Appends the events of `shape`, a call each, under fsync_policy::os.
filling fill(context& on, event_store& store, const store_shape& shape);

/// Goes on until the next segment is nearly full: killed then, a store opens slowest, as nothing
/// of that segment has an index.
/// @returns how many events the store has.
std::uint64_t fill_newest_segment(context& on, event_store& store, const store_shape& shape,
                                  std::uint64_t events);

/// What the log takes for one such event.
[[nodiscard]] std::size_t event_frame_bytes(const store_shape& shape,
                                            const std::filesystem::path& scratch);

}  // namespace nori::bench

#endif
