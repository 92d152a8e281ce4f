#include <nori/store/upcasting.hpp>

#include <exception>
#include <iterator>
#include <new>

#include <nori/error.hpp>

namespace nori {

upcasters& upcasters::add(std::string type, std::uint32_t version, step how) {
  std::pair<std::string, std::uint32_t> key(std::move(type), version);
  if (find(key.first, version) != nullptr) {
    throw_error(errc::invalid_config, "two upcasters for type " + key.first + " version " +
                                          std::to_string(version) + ": keep one");
  }
  if (!how) {
    throw_error(errc::invalid_config, "the upcaster for type " + key.first + " version " +
                                          std::to_string(version) + " is empty");
  }
  steps_.emplace(std::move(key), std::move(how));
  return *this;
}

upcasters& upcasters::rename(std::string type, std::uint32_t version, std::string to,
                             std::uint32_t to_version) {
  return add(std::move(type), version, [to = std::move(to), to_version](content before) {
    contents after;
    after.emplace_back(to, to_version, std::move(before.data));
    return after;
  });
}

upcasters& upcasters::drop(std::string type, std::uint32_t version) {
  return add(std::move(type), version, [](const content&) { return contents(); });
}

const upcasters::step* upcasters::find(std::string_view type,
                                       std::uint32_t version) const noexcept {
  const auto found = steps_.find(std::pair(type, version));
  return found != steps_.end() ? &found->second : nullptr;
}

bool upcasters::apply_to(std::string_view type, std::uint32_t version) const noexcept {
  return find(type, version) != nullptr;
}

boost::system::result<upcasters::contents, decode_error> upcasters::apply(content stored) const {
  struct pending {
    content what;
    std::size_t steps;
  };
  // A stack whose top is the next in order.
  std::vector<pending> left;
  left.push_back({std::move(stored), 0});
  contents done;
  while (!left.empty()) {
    pending now = std::move(left.back());
    left.pop_back();
    const step* const how = find(now.what.type, now.what.version);
    if (how == nullptr) {
      done.push_back(std::move(now.what));
      continue;
    }
    const std::string from = now.what.type + " version " + std::to_string(now.what.version);
    if (now.steps == steps_max) {
      return decode_error("takes more than " + std::to_string(steps_max) +
                          " upcasting steps: they go in a circle by way of " + from);
    }
    contents parts;
    try {
      parts = (*how)(std::move(now.what));
    } catch (const std::bad_alloc&) {
      throw;
    } catch (const std::exception& error) {
      return decode_error("the upcaster from " + from + " says: " + error.what());
    }
    if (done.size() + left.size() + parts.size() > parts_max) {
      return decode_error("becomes more than " + std::to_string(parts_max) + " events by way of " +
                          from);
    }
    for (auto each = parts.rbegin(); each != parts.rend(); ++each) {
      left.push_back({std::move(*each), now.steps + 1});
    }
  }
  return done;
}

}  // namespace nori
