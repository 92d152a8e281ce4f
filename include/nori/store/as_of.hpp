#ifndef NORI_STORE_AS_OF_HPP
#define NORI_STORE_AS_OF_HPP

#include <cstdint>
#include <optional>
#include <variant>

#include <nori/store/event.hpp>

namespace nori {

/// A point in the past.
class as_of {
 public:
  /// When the stream's event with this revision was the last one.
  [[nodiscard]] static as_of revision(std::uint64_t last) { return as_of(at_revision{last}); }
  /// When the event with this global position was the last one in the store.
  [[nodiscard]] static as_of position(std::uint64_t last) { return as_of(at_position{last}); }
  /// After all that was recorded at or before then.
  [[nodiscard]] static as_of time(event_time when) { return as_of(when); }

  [[nodiscard]] std::optional<std::uint64_t> revision() const noexcept {
    const auto* const at = std::get_if<at_revision>(&when_);
    return at != nullptr ? std::optional(at->last) : std::nullopt;
  }
  [[nodiscard]] std::optional<std::uint64_t> position() const noexcept {
    const auto* const at = std::get_if<at_position>(&when_);
    return at != nullptr ? std::optional(at->last) : std::nullopt;
  }
  [[nodiscard]] std::optional<event_time> time() const noexcept {
    const auto* const at = std::get_if<event_time>(&when_);
    return at != nullptr ? std::optional(*at) : std::nullopt;
  }

 private:
  struct at_revision {
    std::uint64_t last;
  };
  struct at_position {
    std::uint64_t last;
  };
  using moment = std::variant<at_revision, at_position, event_time>;
  explicit as_of(moment when) : when_(when) {}

  moment when_;
};

}  // namespace nori

#endif
