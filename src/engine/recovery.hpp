#ifndef NORI_ENGINE_RECOVERY_HPP
#define NORI_ENGINE_RECOVERY_HPP

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "format/segment_header.hpp"

namespace nori::engine {

/// What lies behind the last complete batch of the newest segment.
struct end_evidence {
  bool proof;       ///< a later frame was written when the first bad one was known durable
  bool batch_open;  ///< valid frames of a batch whose last frame is missing
  bool rest_zero;   ///< nothing but zeros
};

enum class end_verdict : std::uint8_t {
  clean_end,   ///< nothing was being written
  torn_tail,   ///< an unfinished write: cut it off; nothing durable is in it
  corruption,  ///< acknowledged data is damaged: refuse, or salvage
};

struct end_rule {
  end_evidence found;
  end_verdict verdict;
};

/// Every combination, once. Proof outweighs everything: then durable data is damaged.
inline constexpr std::array<end_rule, 8> end_rules{{
    // proof  open   zero
    {{false, false, true}, end_verdict::clean_end},
    {{false, false, false}, end_verdict::torn_tail},
    {{false, true, true}, end_verdict::torn_tail},
    {{false, true, false}, end_verdict::torn_tail},
    {{true, false, false}, end_verdict::corruption},
    {{true, true, false}, end_verdict::corruption},
    // The frame that proves it lies in a later segment or in the staging file.
    {{true, false, true}, end_verdict::corruption},
    {{true, true, true}, end_verdict::corruption},
}};

[[nodiscard]] end_verdict judge_end(const end_evidence& found) noexcept;

/// A segment file as its directory entry and its first bytes show it.
struct segment_file {
  std::uint64_t id = 0;
  std::uint64_t bytes = 0;
  format::header_check header{format::header_verdict::zero, {}, false};
};

/// The segments between the oldest and the newest of `ids` (in any order) that are not among them:
/// the newest first, and no more than `most`.
[[nodiscard]] std::vector<std::uint64_t> missing_segments(std::vector<std::uint64_t> ids,
                                                          std::size_t most);

/// What the segment files tell together.
struct catalog {
  /// Consecutive segments with valid headers that link to each other; the newest is the active one.
  std::vector<segment_file> begun;
  /// Behind them: created, but nothing says that they were begun.
  std::vector<segment_file> unbegun;
  /// Left over by an interrupted deletion: below the first, or behind a gap above the last.
  std::vector<std::uint64_t> deleted;
  /// Why the files can't be a log, or empty; `begun` then holds what comes before the damage, and
  /// `beyond` everything from it on.
  std::string damage;
  bool unsupported = false;  ///< the damage is a version this library does not know
  std::vector<std::uint64_t> beyond;
};

/// `files` in any order. Performs nothing.
[[nodiscard]] catalog judge_files(std::vector<segment_file> files,
                                  const format::log_identity& identity);

}  // namespace nori::engine

#endif
