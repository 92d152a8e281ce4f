#ifndef NORI_TEST_ENGINE_MEMORY_RECOVERY_HPP
#define NORI_TEST_ENGINE_MEMORY_RECOVERY_HPP

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "engine/recovery.hpp"
#include "engine_test.hpp"

namespace nori::engine::test {

/// Where recovery finds the end of a log, or why it refuses.
struct recovered_log {
  std::string damage;  ///< empty: none was found
  position end{0, 0};  ///< segment 0: none was begun
  chain_state chain;
  bool clean = false;                  ///< nothing was being written
  std::vector<std::uint64_t> surplus;  ///< segments that were never begun
};

/// By memcmp, since most of the bytes that recovery looks at are zeros.
inline bool is_zero(std::span<const std::byte> bytes) {
  return bytes.empty() || (bytes.front() == std::byte{0} &&
                           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

/// Bugs that the checks must find.
enum class recovery_bug {
  none,
  ignores_proof,    ///< whatever follows the first bad frame is a torn tail
  trusts_sealed,    ///< sealed segments are not read
  always_suspects,  ///< every torn tail is taken for damage
};

/// What opening a log decides, over images of its segment files: the same steps in the same order,
/// without the staging file, and with every sealed segment verified.
inline recovered_log recover(const segment_images& images, const format::log_identity& identity,
                             recovery_bug bug = recovery_bug::none) {
  recovered_log result;
  std::vector<segment_file> files;
  for (const auto& [id, bytes] : images) {
    const std::span<const std::byte> head(
        bytes.data(), std::min<std::size_t>(bytes.size(), format::segment_header_bytes));
    files.push_back({id, bytes.size(), format::check_segment_header(head)});
  }
  const catalog found = judge_files(files, identity);
  result.damage = found.damage;
  if (!result.damage.empty()) return result;

  const auto rest_of = [&](std::uint64_t id, std::uint64_t offset) {
    const byte_vector& bytes = images.at(id);
    return std::span(bytes).subspan(std::min<std::size_t>(offset, bytes.size()));
  };
  for (std::size_t i = 0; i + 1 < found.begun.size() && bug != recovery_bug::trusts_sealed; ++i) {
    const segment_file& sealed = found.begun[i];
    const format::segment_header& next = found.begun[i + 1].header.header;
    chain_scanner scanner(format::segment_seed(identity.log, sealed.id),
                          chain_before(sealed.header.header), format::segment_header_bytes,
                          std::min(sealed.bytes, next.previous_end));
    scanner.feed(rest_of(sealed.id, format::segment_header_bytes));
    if (scanner.offset() != next.previous_end || scanner.chain().crc != next.previous_crc ||
        scanner.chain().sequence + 1 != next.first_sequence) {
      result.damage = format::segment_file_name(sealed.id) + ": damaged data";
      return result;
    }
  }

  end_evidence evidence{false, false, true};
  std::uint64_t reach_bytes = 0;
  for (const segment_file& file : found.unbegun) reach_bytes += file.bytes;
  if (!found.begun.empty()) {
    const segment_file& newest = found.begun.back();
    const std::uint32_t seed = format::segment_seed(identity.log, newest.id);
    chain_scanner scanner(seed, chain_before(newest.header.header), format::segment_header_bytes,
                          newest.bytes);
    scanner.feed(rest_of(newest.id, format::segment_header_bytes));
    const auto& last = scanner.last_batch();
    result.end = {newest.id, last.offset};
    result.chain = last.chain;
    reach_bytes += newest.bytes;
    const auto rest = rest_of(newest.id, last.offset);
    evidence.batch_open = scanner.offset() != last.offset;
    evidence.rest_zero = is_zero(rest);
    evidence.proof = find_proof(rest, seed, result.chain.sequence + 1, reach_bytes).has_value();
  }
  for (const segment_file& file : found.unbegun) {
    result.surplus.push_back(file.id);
    const std::uint32_t seed = format::segment_seed(identity.log, file.id);
    if (find_proof(rest_of(file.id, format::segment_header_bytes), seed, result.chain.sequence + 1,
                   reach_bytes)) {
      evidence.proof = true;
    }
  }
  result.surplus.insert(result.surplus.end(), found.deleted.begin(), found.deleted.end());
  if (bug == recovery_bug::ignores_proof) evidence.proof = false;
  end_verdict verdict = judge_end(evidence);
  if (bug == recovery_bug::always_suspects && verdict == end_verdict::torn_tail) {
    verdict = end_verdict::corruption;
  }
  if (verdict == end_verdict::corruption) result.damage = "acknowledged data is damaged";
  result.clean = verdict == end_verdict::clean_end;
  return result;
}

}  // namespace nori::engine::test

#endif
