#ifndef NORI_STORE_APPEND_HPP
#define NORI_STORE_APPEND_HPP

#include <boost/system/result.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nori/store/event.hpp>
#include <nori/store/query.hpp>

namespace nori {

/// What an append takes for granted about a stream: its revision *before* the append.
class expected_revision {
 public:
  enum class kind : std::uint8_t { any, no_stream, stream_exists, exact };

  /// Whatever is there.
  [[nodiscard]] static constexpr expected_revision any() noexcept { return {kind::any, 0}; }
  /// The stream has never had an event.
  [[nodiscard]] static constexpr expected_revision no_stream() noexcept {
    return {kind::no_stream, 0};
  }
  /// The stream has had at least one event.
  [[nodiscard]] static constexpr expected_revision stream_exists() noexcept {
    return {kind::stream_exists, 0};
  }
  /// The last event of the stream has this revision.
  [[nodiscard]] static constexpr expected_revision exact(std::uint64_t revision) noexcept {
    return {kind::exact, revision};
  }
  /// What a reader saw last: exact, or no_stream where it saw nothing.
  [[nodiscard]] static constexpr expected_revision after(
      std::optional<std::uint64_t> last_seen) noexcept {
    return last_seen ? exact(*last_seen) : no_stream();
  }

  [[nodiscard]] constexpr kind which() const noexcept { return kind_; }
  /// Only of exact; zero otherwise.
  [[nodiscard]] constexpr std::uint64_t revision() const noexcept { return revision_; }

  friend constexpr bool operator==(const expected_revision&, const expected_revision&) = default;

 private:
  constexpr expected_revision(kind which, std::uint64_t revision) noexcept
      : kind_(which), revision_(revision) {}

  kind kind_;
  std::uint64_t revision_;
};

/// One atomic append: events for one or several streams, under conditions. All of it happens, or
/// nothing does.
///
/// Names and events are views that must live until the append has completed; queries are owned.
class append_request {
 public:
  struct part {
    std::string_view stream;
    expected_revision expected = expected_revision::any();
    std::span<const event_view> events = {};
  };
  struct condition {
    query what;
    std::optional<std::uint64_t> after;  ///< a global position
    bool exists = false;                 ///< fail_if_exists: reported as such
  };

  /// Appends `events` to `stream`. A stream may be named once; the order of parts is the order of
  /// global positions.
  append_request& to(std::string_view stream, expected_revision expected,
                     std::span<const event_view> events) {
    parts_.push_back({stream, expected, events});
    return *this;
  }
  /// Requires a revision of a stream that is not written.
  append_request& require(std::string_view stream, expected_revision expected) {
    parts_.push_back({stream, expected, {}});
    return *this;
  }
  /// Fails where an event that matches lies behind the global position `after` (which reading gave
  /// as its watermark), or anywhere in the store without one.
  append_request& fail_if_match(query what, std::optional<std::uint64_t> after = {}) {
    conditions_.emplace_back(std::move(what), after, false);
    return *this;
  }
  /// Fails where an event that matches is in the store: reported apart from a conflict.
  append_request& fail_if_exists(query what) {
    conditions_.emplace_back(std::move(what), std::nullopt, true);
    return *this;
  }

  [[nodiscard]] const std::vector<part>& parts() const noexcept { return parts_; }
  [[nodiscard]] const std::vector<condition>& conditions() const noexcept { return conditions_; }

 private:
  std::vector<part> parts_;
  std::vector<condition> conditions_;
};

/// What an append did.
struct appended {
  std::uint64_t first_global_position = 0;
  std::uint64_t last_global_position = 0;
  std::uint64_t first_revision = 0;  ///< in the first stream that was written
  std::uint64_t last_revision = 0;   ///< in that stream
  bool repeated = false;             ///< it had been done before: this is what it did then
  /// Of each stream that was written, in the order of the request; only where there are several.
  std::vector<std::uint64_t> last_revisions;
};

/// Why an append did nothing, and what was found.
struct conflict {
  enum class kind : std::uint8_t {
    wrong_revision,   ///< a stream is not at the revision that was expected
    partly_repeated,  ///< some of the events are there already, at other revisions or not all
    matching_event,   ///< fail_if_match: an event matches
    existing_event,   ///< fail_if_exists: an event matches
  };
  kind what = kind::wrong_revision;
  std::string stream;                                     ///< where it is about a stream
  expected_revision expected = expected_revision::any();  ///< of that stream
  std::optional<std::uint64_t> revision;                  ///< found; none: no such stream
  std::optional<std::uint64_t> global_position;           ///< of an event that matches

  /// One sentence; names the stream, as it is meant for logs of the program.
  [[nodiscard]] std::string message() const;
};

/// What a conflict becomes where a result is used without looking: system_error with
/// errc::conflict.
[[noreturn]] void throw_exception_from_error(const conflict& what,
                                             const boost::source_location& where);

using append_result = boost::system::result<appended, conflict>;

}  // namespace nori

#endif
