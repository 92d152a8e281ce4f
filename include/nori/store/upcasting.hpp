#ifndef NORI_STORE_UPCASTING_HPP
#define NORI_STORE_UPCASTING_HPP

#include <boost/system/result.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nori/store/undecodable.hpp>

namespace nori {

/// Turns events of old types and versions into what is used today, while they are read. What is
/// stored never changes.
///
/// @par Thread safety
/// Fill it first; from then on it is safe to use from any thread.
class upcasters {
 public:
  /// What an event holds, at one step of the way.
  struct content {
    content() = default;
    content(std::string its_type, std::uint32_t its_version, std::string its_data)
        : type(std::move(its_type)), version(its_version), data(std::move(its_data)) {}

    std::string type;
    std::uint32_t version = 1;
    std::string data;

    friend bool operator==(const content&, const content&) = default;
  };
  /// What one event becomes: none, one, or several events, in their order.
  using contents = std::vector<content>;
  /// Must be a pure function. Says that the data is not what it should be by throwing: any
  /// std::exception makes the event undecodable, with its text.
  using step = std::function<contents(content)>;

  /// Of one event along one way.
  static constexpr std::size_t steps_max = 100;
  /// That one stored event may become.
  static constexpr std::size_t parts_max = 1000;

  /// From now on `how` is applied to events of this type and version, whether they are stored so or
  /// come of another step.
  /// @throws errc::invalid_config where there is a step for them already.
  upcasters& add(std::string type, std::uint32_t version, step how);

  /// The same data as another type and version.
  upcasters& rename(std::string type, std::uint32_t version, std::string to,
                    std::uint32_t to_version = 1);
  /// Events that nobody needs any more.
  upcasters& drop(std::string type, std::uint32_t version);

  [[nodiscard]] bool apply_to(std::string_view type, std::uint32_t version) const noexcept;

  /// Applies step after step until none applies to what there is.
  ///
  /// Why it can't be done: a step threw, more than steps_max of them were necessary (they go in a
  /// circle), or more than parts_max events came of it.
  [[nodiscard]] boost::system::result<contents, decode_error> apply(content stored) const;

 private:
  [[nodiscard]] const step* find(std::string_view type, std::uint32_t version) const noexcept;

  struct by_view {
    using is_transparent = void;
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const noexcept {
      if (const int order = std::string_view(a.first).compare(b.first); order != 0) {
        return order < 0;
      }
      return a.second < b.second;
    }
  };
  std::map<std::pair<std::string, std::uint32_t>, step, by_view> steps_;
};

}  // namespace nori

#endif
