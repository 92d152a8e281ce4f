#ifndef NORI_INSPECT_HPP
#define NORI_INSPECT_HPP

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <nori/config.hpp>
#include <nori/position.hpp>
#include <nori/recovery_info.hpp>

namespace nori {

namespace asio = boost::asio;

/// What a segment of a log on disk is like.
enum class segment_state : std::uint8_t {
  intact,      ///< everything that was looked at is right
  unfinished,  ///< the newest: behind its last record lies a torn tail, which opening would cut
  damaged,     ///< acknowledged data is damaged
  missing,     ///< there is no such file, and there should be
};

/// One segment, as its file shows it.
struct segment_report {
  std::uint64_t id = 0;
  std::string file;  ///< its name in the log's directory
  std::uint64_t file_bytes = 0;
  /// Where its records end, an offset in the file: of a damaged one, where the damage begins.
  std::uint64_t end = 0;
  /// Valid ones up to `end`; none where that can't be told without reading every byte.
  std::optional<std::uint64_t> records;
  std::optional<std::chrono::sys_time<std::chrono::nanoseconds>> created;
  std::uint32_t node_id = 0;
  segment_state state = segment_state::intact;
  std::string detail;  ///< a phrase on what is remarkable; empty where nothing is
};

/// What inspect_log found.
struct log_report {
  std::string log_id;                    ///< 32 hexadecimal digits
  std::vector<segment_report> segments;  ///< in order; those that were never begun are left out
  /// Why opening the log would refuse; empty where it would not.
  std::string refusal;
  /// What opening it would find; only where it would not refuse.
  std::optional<recovery_info> recovery;
  std::uint64_t bytes_read = 0;  ///< in segments, to verify them

  /// Opening would succeed, and no segment is damaged or missing.
  [[nodiscard]] bool sound() const noexcept;
};

struct inspect_options {
  inspect_options() = default;

  /// Verify every record of every segment, instead of headers and the newest segment alone.
  bool every_byte = false;
  nori::backend backend = nori::backend::automatic;
  /// Called now and then with the bytes of sealed segments that were read and that there are.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;
};

/// Looks at a log on disk, damaged or not, segment by segment, and changes nothing.
///
/// It may be in use: what is appended or deleted meanwhile is not a finding.
/// @throws no_such_file_or_directory where there is no log, errc::insecure_directory, or the
///   operating system's error. Damage is no error.
/// @par Cancellation
/// Terminal: operation_aborted.
/// @par Thread safety
/// Safe to call from any thread. `progress` is called on the caller's executor.
[[nodiscard]] asio::awaitable<log_report> inspect_log(std::filesystem::path dir,
                                                      inspect_options options = {});

}  // namespace nori

#endif
