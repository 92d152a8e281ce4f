#ifndef NORI_STORE_APPENDING_HPP
#define NORI_STORE_APPENDING_HPP

#include <boost/container/small_vector.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <nori/store/append.hpp>

#include "store/core.hpp"

namespace nori::store {

/// One append on its way: decides, under the store's mutex, whether it may happen, and lays its
/// events in the same instant. What it lacks to decide it says; the caller gets that without the
/// mutex and tries again.
class append_operation {
 public:
  enum class need : std::uint8_t {
    nothing,     ///< laid: result() is what was done
    heads,       ///< revisions of streams that are not in memory
    conditions,  ///< a look at events for a condition
    window,      ///< the ids of older events of the newest segment
    comparison,  ///< with the ids of events that are where these would go
    room,        ///< in the log's buffer
    indexes,     ///< of complete segments: too many of them are in memory
    repair,      ///< of the newest index, which had no memory for what was laid
    refused,     ///< by the log: refusal()
    conflict,    ///< final: found()
  };

  /// Checks names and sizes. The parts and what they refer to must outlive the operation.
  append_operation(core& in, std::span<const append_request::part> parts,
                   std::span<const append_request::condition> conditions);

  /// `waited`: after room.
  [[nodiscard]] need try_lay(bool waited);

  // For each need, what the caller does about it.
  /// Of heads, conditions, window and comparison. True: the append was done before, and result()
  /// says how.
  [[nodiscard]] asio::awaitable<bool> find_out(need lacks);
  [[nodiscard]] std::uint64_t frames_bytes() const noexcept { return frames_bytes_; }

  [[nodiscard]] const boost::system::error_code& refusal() const noexcept { return refusal_; }
  [[nodiscard]] const log::laid& laid() const noexcept { return laid_; }
  [[nodiscard]] appended&& result() noexcept { return std::move(result_); }
  [[nodiscard]] conflict&& found() noexcept { return std::move(conflict_); }
  [[nodiscard]] std::size_t events() const noexcept { return event_count_; }
  /// What was found is in the log before this.
  [[nodiscard]] std::optional<position> found_at() const noexcept { return found_at_; }

 private:
  using revision = std::optional<std::uint64_t>;
  [[nodiscard]] asio::awaitable<void> get_heads();
  [[nodiscard]] asio::awaitable<void> check_conditions();
  [[nodiscard]] asio::awaitable<bool> compare();
  void check_size(const event_view& what);
  [[nodiscard]] static bool holds(const expected_revision& expected, const revision& head) noexcept;
  [[nodiscard]] bool has_ids(const append_request::part& of) const noexcept;
  [[nodiscard]] need judge_locked();
  [[nodiscard]] need lay_locked(bool waited);
  void commit_locked(std::span<const position> positions, event_time now);
  void set_conflict_locked(conflict::kind what, const append_request::part* of,
                           const revision& head);
  [[nodiscard]] bool check_newest_locked();

  core& core_;
  std::span<const append_request::part> parts_;
  std::span<const append_request::condition> conditions_;
  std::size_t event_count_ = 0;
  std::uint64_t value_bytes_max_ = 0;
  std::uint64_t data_bytes_ = 0;
  boost::container::small_vector<revision, 1> heads_;     ///< as of the last judgement
  boost::container::small_vector<revision, 1> in_files_;  ///< as looked up
  std::optional<std::uint64_t> files_version_;            ///< when they were
  std::optional<std::uint64_t> conditions_hold_to_;       ///< for events before this one
  bool compared_ = false;
  std::optional<std::uint64_t> repeats_;  ///< the window has the first event's id here
  std::uint64_t frames_bytes_ = 0;
  /// Of all events, sorted for each.
  boost::container::small_vector<std::string_view, 4> tags_;
  boost::container::small_vector<uuid, 1> ids_;  ///< that were made up
  boost::system::error_code refusal_;
  log::laid laid_;
  appended result_;
  conflict conflict_;
  bool final_ = false;  ///< conflict_ is the answer
  std::optional<position> found_at_;
};

}  // namespace nori::store

#endif
