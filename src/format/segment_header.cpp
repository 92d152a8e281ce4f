#include "format/segment_header.hpp"

#include <bit>
#include <cstring>

#include "format/crc32c.hpp"

namespace nori::format {
namespace {

static_assert(std::endian::native == std::endian::little,
              "integers are copied to and from disk as they lie in memory");

using magic = std::array<char, 8>;
constexpr magic segment_magic = {'n', 'o', 'r', 'i', 'w', 'a', 'l', 1};
constexpr magic identity_magic = {'n', 'o', 'r', 'i', 'l', 'o', 'g', 1};

// In every version of both files: the magic, the version at 8, and the crc at the end of the block.
// So a later version can be told from damage.
constexpr std::size_t version_offset = 8;
constexpr std::size_t crc_offset = block_bytes - 4;
constexpr std::size_t segment_fields_end = 120;
constexpr std::size_t identity_fields_end = 48;

/// Copies fields one after the other; what copy() is given decides the direction.
class field_writer {
 public:
  explicit field_writer(std::byte* at) noexcept : at_(at) {}
  template <class Field>
  void operator()(const Field& field) noexcept {
    std::memcpy(at_, &field, sizeof field);
    at_ += sizeof field;
  }

 private:
  std::byte* at_;
};

class field_reader {
 public:
  explicit field_reader(const std::byte* at) noexcept : at_(at) {}
  template <class Field>
  void operator()(Field& field) noexcept {
    std::memcpy(&field, at_, sizeof field);
    at_ += sizeof field;
  }

 private:
  const std::byte* at_;
};

/// Gives every field behind the magic to `copy`, in the order of the disk.
template <class Header, class Copy>
void copy_segment_fields(Header& header, Copy copy) noexcept {
  std::uint32_t zero = 0;
  copy(header.version);
  copy(zero);
  copy(header.log);
  copy(header.segment_id);
  copy(header.first_sequence);
  copy(header.records_before);
  copy(header.previous_segment_id);
  copy(header.previous_end);
  copy(header.previous_last_frame);
  copy(header.previous_crc);
  copy(header.epoch);
  copy(header.created_ns);
  copy(header.segment_bytes_max);
  copy(header.record_bytes_max);
  copy(header.node_id);
  copy(header.reused);
}

template <class Identity, class Copy>
void copy_identity_fields(Identity& identity, Copy copy) noexcept {
  std::uint32_t zero = 0;
  copy(identity.version);
  copy(zero);
  copy(identity.log);
  copy(identity.first_segment_id);
  copy(identity.last_segment_id);
}

bool all_zero(std::span<const std::byte> bytes) noexcept {
  // Each byte equals the next: memcmp compares many at a time, a loop that may stop early one.
  return bytes.empty() || (bytes.front() == std::byte{0} &&
                           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

bool has_magic(const std::byte* block, const magic& expected) noexcept {
  return std::memcmp(block, expected.data(), expected.size()) == 0;
}

bool crc_holds(const std::byte* block) noexcept {
  std::uint32_t crc;
  std::memcpy(&crc, block + crc_offset, sizeof crc);
  return crc == crc32c(0, block, crc_offset);
}

void seal_block(std::byte* block) noexcept {
  const std::uint32_t crc = crc32c(0, block, crc_offset);
  std::memcpy(block + crc_offset, &crc, sizeof crc);
}

/// What can be said of a block of either file before its fields are read.
header_verdict check_block(std::span<const std::byte, block_bytes> block, const magic& expected,
                           std::size_t fields_end, std::uint32_t& version) noexcept {
  if (!has_magic(block.data(), expected))
    return all_zero(block) ? header_verdict::zero : header_verdict::not_a_segment;
  if (!crc_holds(block.data())) return header_verdict::damaged;
  std::memcpy(&version, block.data() + version_offset, sizeof version);
  if (version != format_version) return header_verdict::unsupported_version;
  if (!all_zero(block.subspan(version_offset + 4, 4)) ||
      !all_zero(block.subspan(fields_end, crc_offset - fields_end)))
    return header_verdict::damaged;
  return header_verdict::valid;
}

header_check check_copy(std::span<const std::byte, block_bytes> block) noexcept {
  header_check result{header_verdict::damaged, {}, false};
  result.verdict = check_block(block, segment_magic, segment_fields_end, result.header.version);
  if (result.verdict != header_verdict::valid) return result;
  copy_segment_fields(result.header, field_reader(block.data() + version_offset));
  // No writer makes these.
  if (result.header.segment_id == 0 || result.header.first_sequence == 0)
    return {header_verdict::damaged, {}, false};
  return result;
}

}  // namespace

void store_segment_header(std::byte* at, const segment_header& header) noexcept {
  std::memset(at, 0, block_bytes);
  std::memcpy(at, segment_magic.data(), segment_magic.size());
  copy_segment_fields(header, field_writer(at + version_offset));
  seal_block(at);
  std::memcpy(at + block_bytes, at, block_bytes);
}

header_check check_segment_header(std::span<const std::byte> bytes) noexcept {
  if (bytes.size() < segment_header_bytes) {
    return {all_zero(bytes) ? header_verdict::zero : header_verdict::damaged, {}, false};
  }
  header_check first = check_copy(bytes.first<block_bytes>());
  header_check second = check_copy(bytes.subspan(block_bytes).first<block_bytes>());

  // One copy of a later version is enough to leave the file alone.
  if (first.verdict == header_verdict::unsupported_version) return first;
  if (second.verdict == header_verdict::unsupported_version) return second;

  const bool first_holds = first.verdict == header_verdict::valid;
  const bool second_holds = second.verdict == header_verdict::valid;
  if (first_holds && second_holds) {
    // Two copies that differ are a reused segment, torn while its new header was written: ids only
    // rise, so the higher one is the new one.
    const bool take_second = second.header.segment_id > first.header.segment_id;
    const bool differ = first.header != second.header;
    header_check& taken = take_second ? second : first;
    taken.copy_damaged = differ;
    return taken;
  }
  if (first_holds || second_holds) {
    header_check& taken = first_holds ? first : second;
    taken.copy_damaged = true;
    return taken;
  }

  if (first.verdict == second.verdict) return {first.verdict, {}, false};
  return {header_verdict::damaged, {}, false};
}

void store_log_identity(std::byte* at, const log_identity& identity) noexcept {
  std::memset(at, 0, log_identity_bytes);
  std::memcpy(at, identity_magic.data(), identity_magic.size());
  copy_identity_fields(identity, field_writer(at + version_offset));
  seal_block(at);
}

identity_check check_log_identity(std::span<const std::byte> bytes) noexcept {
  if (bytes.size() < log_identity_bytes)
    return {all_zero(bytes) ? header_verdict::zero : header_verdict::damaged, {}};
  const auto block = bytes.first<block_bytes>();
  identity_check result{header_verdict::damaged, {}};
  result.verdict = check_block(block, identity_magic, identity_fields_end, result.identity.version);
  if (result.verdict != header_verdict::valid) return result;
  copy_identity_fields(result.identity, field_reader(block.data() + version_offset));
  if (result.identity.first_segment_id == 0) return {header_verdict::damaged, {}};
  return result;
}

namespace {

constexpr std::string_view segment_suffix = ".segment";
constexpr std::size_t segment_digits = 20;

}  // namespace

std::string segment_file_name(std::uint64_t segment_id) {
  std::string name(segment_digits, '0');
  for (std::size_t i = segment_digits; segment_id != 0; segment_id /= 10)
    name[--i] = static_cast<char>('0' + segment_id % 10);
  return name.append(segment_suffix);
}

std::optional<std::uint64_t> parse_segment_file_name(std::string_view name) noexcept {
  if (name.size() != segment_digits + segment_suffix.size() || !name.ends_with(segment_suffix))
    return std::nullopt;
  std::uint64_t id = 0;
  for (const char c : name.substr(0, segment_digits)) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (id > (UINT64_MAX - digit) / 10) return std::nullopt;
    id = id * 10 + digit;
  }
  if (id == 0) return std::nullopt;
  return id;
}

}  // namespace nori::format
