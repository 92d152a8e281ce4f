#ifndef NORI_BENCH_PEERS_PEER_HPP
#define NORI_BENCH_PEERS_PEER_HPP

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nori/config.hpp>

#include "common/consumer.hpp"
#include "common/measure.hpp"

namespace nori::bench {

/// One writer's way into a peer; used by one thread.
class peer_writer {
 public:
  virtual ~peer_writer() = default;
  /// Appends `count` records of this value that survive together.
  virtual void append(std::string_view value, std::uint64_t count) = 0;
};

/// Another program's log or database, open on an empty directory.
class peer {
 public:
  virtual ~peer() = default;
  [[nodiscard]] virtual std::unique_ptr<peer_writer> make_writer() = 0;
};

/// What a scan of a peer has found, for the turn that it is part of.
class scan_notes {
 public:
  explicit scan_notes(turn& now) noexcept : now_(now) {}

  /// Of a record. False when the turn is over.
  bool found(std::string_view value) noexcept {
    reads_.look_at(value);
    if (++count_ % records_between_checks != 0) return true;
    now_.tally_of(0).add(records_between_checks);
    return now_.now() != phase::over;
  }
  /// Of all records that were found.
  std::uint64_t end() noexcept {
    now_.tally_of(0).add(count_ % records_between_checks);
    return count_;
  }

 private:
  static constexpr std::uint64_t records_between_checks = 64;
  turn& now_;
  std::uint64_t count_ = 0;
  consumer reads_;
};

/// Looks at every record of an open peer in its order. @returns how many there were; ends early
/// with the turn.
using scanner = std::function<std::uint64_t(turn& now)>;

/// What is compared with: how its users would set it up to keep a promise.
struct peer_kind {
  std::string key;       ///< "sqlite_full": its name in the JSON
  std::string name;      ///< "SQLite FULL"
  std::string settings;  ///< a sentence
  std::string survives;  ///< what an acknowledged record does
  std::function<std::unique_ptr<peer>(const std::filesystem::path& dir)> open;
  /// Opens what was appended and closed. Empty where that is not compared.
  std::function<scanner(const std::filesystem::path& dir)> open_to_scan;
};

/// `scan` of a peer that is opened for it, and closed with the last copy of what is returned.
template <typename Peer>
[[nodiscard]] scanner scanner_of(std::shared_ptr<Peer> opened) {
  return [opened = std::move(opened)](turn& now) { return opened->scan(now); };
}

/// Those whose modules are beside this program or installed with it, set up for such a promise.
/// PostgreSQL is among them where there is a connection string.
[[nodiscard]] std::vector<peer_kind> peers_for(fsync_policy policy, const std::string& postgresql);

/// Names of peers that are not there, each with the package that brings it and the reason.
[[nodiscard]] std::vector<std::string> missing_peers();

/// What a peer's acknowledged records survive.
inline constexpr std::string_view survives_power_cut =
    "what was acknowledged survives a killed process and a power cut";
inline constexpr std::string_view survives_kill =
    "what was acknowledged survives a killed process; a power cut may take what the operating "
    "system had not flushed";

}  // namespace nori::bench

/// What each with_*.cpp defines: a module of its own, so that what the peer links takes up memory
/// only where it is compared with. `connection` is for those that are reached by one.
extern "C" void nori_bench_add_peer(std::vector<nori::bench::peer_kind>& to,
                                    nori::fsync_policy policy, const std::string& connection);

#endif
