#ifndef NORI_STORE_DERIVED_FILES_HPP
#define NORI_STORE_DERIVED_FILES_HPP

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <nori/store/derived.hpp>
#include <nori/store/event.hpp>

#include "format/frame.hpp"
#include "storage/storage.hpp"

namespace nori::store {

namespace asio = boost::asio;

inline constexpr std::size_t derived_name_bytes_max = 200;
inline constexpr std::size_t derived_bytes_max = std::size_t{1} << 30;
inline constexpr std::size_t derived_header_bytes = 64;
inline constexpr std::uint32_t derived_format_version = 1;

//  A file that keeps something derived; what it is, its name says.
//  offset  size  field (little endian)
//  0       8     magic "norider" 0x01
//  8       4     format version
//  12      4     length of the name
//  16      16    log id
//  32      8     through: a global position
//  40      8     time it was saved, ns since 1970, UTC
//  48      4     version of the content
//  52      8     length of the content
//  60      4     crc32c of all of the file but these four bytes
//  64      ...   name of the file, content, zeros up to a multiple of 4096
struct derived_header {
  std::uint64_t through = 0;
  std::int64_t saved_ns = 0;
  std::uint32_t version = 0;
};

/// Of the whole file.
[[nodiscard]] std::size_t derived_file_bytes(std::size_t name_bytes,
                                             std::size_t content_bytes) noexcept;
/// Writes derived_file_bytes() at `at`, all of which are zero before.
void store_derived(std::byte* at, const format::log_id& log, std::string_view name,
                   const derived_header& header, std::string_view content) noexcept;

enum class derived_verdict : std::uint8_t {
  valid,
  absent,   ///< there is no such file
  damaged,  ///< some byte is not what was written
  foreign,  ///< whole, but of another log, of another name or of a later version of nori
};

struct derived_check {
  derived_verdict verdict = derived_verdict::absent;
  derived_header header;
  std::string_view content;  ///< within the bytes that were judged
};
[[nodiscard]] derived_check check_derived(std::span<const std::byte> bytes,
                                          const format::log_id& log,
                                          std::string_view name) noexcept;

/// What loading gave.
///
/// Not an aggregate, for the reason that config gives.
struct loaded_derived {
  loaded_derived() = default;
  explicit loaded_derived(derived_verdict found) : verdict(found) {}

  derived_verdict verdict = derived_verdict::absent;
  derived what;  ///< only of valid
  event_time saved_at{};
};

/// Small files beside the segments, each replaced as a whole.
///
/// @par Thread safety
/// Safe to use from any thread. Calls for the same name follow each other in the order in which
/// they were made: the last one to save wins. The storage must outlive every call.
class derived_files {
 public:
  derived_files(storage::storage& on, format::log_id of);
  derived_files(const derived_files&) = delete;
  derived_files& operator=(const derived_files&) = delete;
  ~derived_files();

  /// Durable when it returns. A crash leaves the old one or the new one; so does an error, which is
  /// the operating system's.
  /// @throws errc::invalid_event where the content exceeds derived_bytes_max.
  /// @par Cancellation
  /// Every type: operation_aborted, and the old one or the new one is there.
  [[nodiscard]] asio::awaitable<void> save(std::string name, derived what);
  /// @throws the operating system's error where the file can't be read.
  [[nodiscard]] asio::awaitable<loaded_derived> load(std::string name) const;
  /// How far the file says it goes, without a look at the rest of it; none: it can't be one.
  [[nodiscard]] asio::awaitable<std::optional<std::uint64_t>> peek(std::string name) const;
  /// No error where there is none.
  [[nodiscard]] asio::awaitable<void> remove(std::string name);

 private:
  struct state;
  std::shared_ptr<state> state_;
};

}  // namespace nori::store

#endif
