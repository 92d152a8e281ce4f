#ifndef NORI_ENGINE_CHAIN_SCANNER_HPP
#define NORI_ENGINE_CHAIN_SCANNER_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "engine/tail.hpp"
#include "format/frame.hpp"

namespace nori::engine {

/// Whether `header`, of a frame that passed format::check_frame, continues the chain.
[[nodiscard]] inline bool continues(const chain_state& chain,
                                    const format::frame_header& header) noexcept {
  return header.sequence == chain.sequence + 1 && header.previous_crc == chain.crc &&
         (header.epoch == chain.epoch) != (header.kind == format::frame_kind::epoch);
}

enum class scan_stop : std::uint8_t {
  more,    ///< the next frame needs bytes beyond those given
  broken,  ///< no valid continuation starts at offset()
};

/// Follows the frames of one segment from its first on, piece by piece, and remembers the last
/// place where a batch was complete. Performs nothing.
class chain_scanner {
 public:
  /// `offset_limit`: no frame can end behind this offset of the file.
  chain_scanner(std::uint32_t seed, const chain_state& before, std::uint64_t offset,
                std::uint64_t offset_limit) noexcept;

  struct progress {
    scan_stop stop;
    std::size_t consumed;           ///< bytes that whole frames took
    std::uint64_t needed_bytes;     ///< with `more`: from offset() on, to judge the next frame
    format::frame_verdict verdict;  ///< with `broken`
  };
  /// Judges the frames that start `bytes`, the first of which lies at offset().
  progress feed(std::span<const std::byte> bytes) noexcept;

  /// Goes on elsewhere: the same chain continues there (the staging file).
  void set_limit(std::uint64_t offset_limit) noexcept { limit_ = offset_limit; }

  /// Behind the last valid frame.
  [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }
  [[nodiscard]] const chain_state& chain() const noexcept { return chain_; }

  /// What survives: up to the end of the last complete batch.
  struct committed {
    std::uint64_t offset = 0;
    chain_state chain;
    std::uint64_t last_record = 0;  ///< offset of the last record frame; 0: none
    bool closed = false;            ///< the last frame marks a clean close
  };
  [[nodiscard]] const committed& last_batch() const noexcept { return committed_; }

 private:
  std::uint32_t seed_;
  std::uint64_t offset_;
  std::uint64_t limit_;
  chain_state chain_;
  std::uint64_t last_record_ = 0;
  committed committed_;
};

/// Looks for proof that frame `sequence` had been acknowledged: a later valid frame that was
/// written when it was known durable. `bytes` start at a multiple of 8 and are part of the
/// `reach_bytes` that can hold frames behind that one. Returns the offset in `bytes` of such a
/// frame.
[[nodiscard]] std::optional<std::size_t> find_proof(std::span<const std::byte> bytes,
                                                    std::uint32_t seed, std::uint64_t sequence,
                                                    std::uint64_t reach_bytes);

}  // namespace nori::engine

#endif
