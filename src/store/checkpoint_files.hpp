#ifndef NORI_STORE_CHECKPOINT_FILES_HPP
#define NORI_STORE_CHECKPOINT_FILES_HPP

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "store/derived_files.hpp"

namespace nori::store {

inline constexpr std::size_t checkpoint_name_bytes_max = 100;

/// 1 to 100 bytes of letters, digits, '-', '_' and '.', not beginning with '.' and not ending in
/// ".tmp". Names of projections and groups, too.
[[nodiscard]] bool is_checkpoint_name(std::string_view name) noexcept;

/// Whether a file is that of a checkpoint or a projection, going by its name.
[[nodiscard]] bool is_derived_file(std::string_view file_name) noexcept;
[[nodiscard]] bool is_checkpoint_file(std::string_view file_name) noexcept;

/// What a checkpoint was found to be.
struct found_checkpoint {
  derived_verdict verdict = derived_verdict::absent;
  std::uint64_t through = 0;  ///< only of valid
};

// Checkpoints are files without content, named "checkpoint-<name>", what projections keep is named
// "projection-<name>": as derived_files says. All throw errc::invalid_event for a bad name.
[[nodiscard]] asio::awaitable<void> save_checkpoint_file(derived_files& in, std::string name,
                                                         std::uint64_t through);
[[nodiscard]] asio::awaitable<found_checkpoint> load_checkpoint_file(const derived_files& in,
                                                                     std::string name);
[[nodiscard]] asio::awaitable<void> remove_checkpoint_file(derived_files& in, std::string name);

[[nodiscard]] asio::awaitable<void> save_projection_file(derived_files& in, std::string name,
                                                         derived what);
[[nodiscard]] asio::awaitable<loaded_derived> load_projection_file(const derived_files& in,
                                                                   std::string name);
[[nodiscard]] asio::awaitable<void> remove_projection_file(derived_files& in, std::string name);

}  // namespace nori::store

#endif
