#ifndef NORI_STORE_DECODER_HPP
#define NORI_STORE_DECODER_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include <nori/store/codec.hpp>
#include <nori/store/undecodable.hpp>
#include <nori/store/upcasting.hpp>

namespace nori {

/// Which of the events it is that one stored event became. They share its position, revision, id
/// and time.
struct event_part {
  std::size_t index = 0;
  std::size_t count = 1;
};

/// Reads stored events as what a program of today knows: upcast, then decoded.
///
/// @par Thread safety
/// Safe to use from any thread, if the codec, the upcasters and the handler are.
template <typename Event, typename Codec>
class decoder {
 public:
  explicit decoder(Codec codec, std::shared_ptr<const upcasters> upcasting = {},
                   undecodable_handler<Event> on_undecodable = {})
      : codec_(std::move(codec)),
        upcasting_(std::move(upcasting)),
        on_undecodable_(std::move(on_undecodable)) {}

  [[nodiscard]] const Codec& codec() const noexcept { return codec_; }

  /// Calls `use(Event, event_part)` for each event that the stored one is today, in their order:
  /// once, unless upcasters say otherwise. The handler may replace or skip some of them, which
  /// changes nothing about the others' parts.
  ///
  /// Everything is decoded before the first call.
  /// @throws errc::undecodable_event where there is no handler, or what that throws.
  template <typename Use>
  void decode(const recorded_event& stored, Use use) const {
    if (!upcasting_ || !upcasting_->apply_to(stored.type, stored.version)) {
      std::optional<Event> made = decode_one(stored, stored.type, stored.version, stored.data);
      if (made) use(std::move(*made), event_part());
      return;
    }
    boost::system::result<upcasters::contents, decode_error> parts = upcasting_->apply(
        upcasters::content(std::string(stored.type), stored.version, std::string(stored.data)));
    if (parts.has_error()) {
      std::optional<Event> made = replace(
          stored, undecodable(stored, stored.type, stored.version, std::move(parts).error()));
      if (made) use(std::move(*made), event_part());
      return;
    }
    std::vector<std::pair<Event, event_part>> decoded;
    decoded.reserve(parts->size());
    for (std::size_t i = 0; i < parts->size(); ++i) {
      const upcasters::content& part = (*parts)[i];
      std::optional<Event> made = decode_one(stored, part.type, part.version, part.data);
      if (made) decoded.emplace_back(std::move(*made), event_part{i, parts->size()});
    }
    for (auto& [made, part] : decoded) use(std::move(made), part);
  }

 private:
  std::optional<Event> decode_one(const recorded_event& stored, std::string_view type,
                                  std::uint32_t version, std::string_view data) const {
    boost::system::result<Event, decode_error> made = decode_as<Event>(codec_, type, version, data);
    if (made.has_value()) return std::move(*made);
    return replace(stored, undecodable(stored, type, version, std::move(made).error()));
  }
  std::optional<Event> replace(const recorded_event& stored, const undecodable& why) const {
    if (!on_undecodable_) throw_undecodable(why);
    return on_undecodable_(stored, why);
  }

  Codec codec_;
  std::shared_ptr<const upcasters> upcasting_;
  undecodable_handler<Event> on_undecodable_;
};

}  // namespace nori

#endif
