#include "store/checkpoint_files.hpp"

#include <algorithm>
#include <utility>

#include <nori/error.hpp>

namespace nori::store {

namespace {

constexpr std::string_view checkpoint_prefix = "checkpoint-";
constexpr std::string_view projection_prefix = "projection-";
static_assert(checkpoint_prefix.size() + checkpoint_name_bytes_max <= derived_name_bytes_max);
static_assert(projection_prefix.size() + checkpoint_name_bytes_max <= derived_name_bytes_max);

std::string file_name(std::string_view prefix, const std::string& name) {
  if (!is_checkpoint_name(name)) {
    throw_error(errc::invalid_event,
                "the name of a checkpoint or projection is 1 to 100 bytes of letters, digits, '-', "
                "'_' and '.', does not begin with '.' and does not end in \".tmp\"");
  }
  return std::string(prefix) + name;
}

}  // namespace

bool is_checkpoint_name(std::string_view name) noexcept {
  // Not isalnum: what a letter is must not depend on the locale.
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !name.empty() && name.size() <= checkpoint_name_bytes_max && name.front() != '.' &&
         !name.ends_with(".tmp") && std::ranges::all_of(name, allowed);
}

bool is_checkpoint_file(std::string_view file_name) noexcept {
  return file_name.starts_with(checkpoint_prefix);
}

bool is_derived_file(std::string_view file_name) noexcept {
  return (file_name.starts_with(checkpoint_prefix) || file_name.starts_with(projection_prefix)) &&
         !file_name.ends_with(".tmp");
}

asio::awaitable<void> save_checkpoint_file(derived_files& in, std::string name,
                                           std::uint64_t through) {
  derived what(through, 0, {});
  co_await in.save(file_name(checkpoint_prefix, name), std::move(what));
}

asio::awaitable<found_checkpoint> load_checkpoint_file(const derived_files& in, std::string name) {
  const loaded_derived found = co_await in.load(file_name(checkpoint_prefix, name));
  found_checkpoint result;
  result.verdict = found.verdict;
  result.through = found.what.through;
  co_return result;
}

asio::awaitable<void> remove_checkpoint_file(derived_files& in, std::string name) {
  co_await in.remove(file_name(checkpoint_prefix, name));
}

asio::awaitable<void> save_projection_file(derived_files& in, std::string name, derived what) {
  co_await in.save(file_name(projection_prefix, name), std::move(what));
}

asio::awaitable<loaded_derived> load_projection_file(const derived_files& in, std::string name) {
  co_return co_await in.load(file_name(projection_prefix, name));
}

asio::awaitable<void> remove_projection_file(derived_files& in, std::string name) {
  co_await in.remove(file_name(projection_prefix, name));
}

}  // namespace nori::store
