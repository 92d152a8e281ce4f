#ifndef NORI_COPY_HPP
#define NORI_COPY_HPP

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <filesystem>
#include <functional>

#include <nori/position.hpp>
#include <nori/wal.hpp>

namespace nori {

struct copy_options {
  copy_options() = default;

  /// The copy ends here: batches that end at or before it are in it, others are not.
  position until{UINT64_MAX, UINT64_MAX};
  /// Called now and then with the bytes that are done and that there are.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;
};

/// What copy_log did.
struct copied_log {
  std::uint64_t segments = 0;       ///< written
  std::uint64_t segments_kept = 0;  ///< had been in the copy before, and were verified again
  std::uint64_t bytes = 0;          ///< of the segments written
  position end;                     ///< where the copy ends
};

/// Copies what a log holds into another directory, which is then a log with the same positions.
///
/// The log may be in use, also by another process: then open it for reading, which sees what had
/// been acknowledged by then. The copy is a prefix of the log that ends with a whole batch, and
/// every record of it was read back from the device and verified when this returns.
///
/// Where the directory has an earlier copy of the same log, sealed segments that are there stay,
/// also those that the log has deleted since. A crash leaves the earlier copy, or more.
///
/// What lies beside the log (checkpoints, indexes) is not copied.
/// @throws errc::corruption naming the damage in the log; errc::position_not_found where a segment
///   was deleted meanwhile (copy again); errc::invalid_config where the directory has something
///   else, or more than this log; errc::locked; errc::no_space and the operating system's errors.
/// @par Durability
/// The copy is durable when this returns.
/// @par Cancellation
/// None.
/// @par Lifetimes
/// `from` must live until this completes.
[[nodiscard]] asio::awaitable<copied_log> copy_log(const wal& from, std::filesystem::path to,
                                                   copy_options options = {});

}  // namespace nori

#endif
