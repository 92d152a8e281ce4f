#include "foreign_log.hpp"

#include <lz4.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <optional>

#include <nori/config.hpp>

namespace nori::cli {

namespace {

constexpr unsigned tombstone_bit = 1;
constexpr unsigned ttl_bit = 2;
constexpr unsigned version_bit = 16;
constexpr unsigned known_bits = 31;

std::optional<std::uint64_t> take_varint(std::string_view& from) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (from.empty()) return std::nullopt;
    const auto byte = static_cast<unsigned char>(from.front());
    from.remove_prefix(1);
    const std::uint64_t bits = byte & 0x7fU;
    if (shift == 63 && bits > 1) return std::nullopt;
    value |= bits << shift;
    if ((byte & 0x80U) == 0) return value;
  }
  return std::nullopt;
}

std::optional<std::string> from_lz4(std::string_view stored) {
  const auto size = take_varint(stored);
  // LZ4 shrinks to a 255th at best: what claims more is not believed.
  if (!size || *size > record_bytes_highest || *size / 256 > stored.size()) return std::nullopt;
  std::string value(*size, '\0');
  if (stored.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()))
    return std::nullopt;
  const int got = LZ4_decompress_safe(stored.data(), value.data(), static_cast<int>(stored.size()),
                                      static_cast<int>(value.size()));
  if (got < 0 || static_cast<std::size_t>(got) != value.size()) return std::nullopt;
  return value;
}

std::optional<std::string> from_zstd(std::string_view stored) {
  // A frame need not say how long its content is: then it is made longer until it fits.
  const unsigned long long stated = ZSTD_getFrameContentSize(stored.data(), stored.size());
  if (stated == ZSTD_CONTENTSIZE_ERROR) return std::nullopt;
  const bool known = stated != ZSTD_CONTENTSIZE_UNKNOWN;
  if (known && stated > record_bytes_highest) return std::nullopt;
  std::size_t size = known ? static_cast<std::size_t>(stated) : 4 * stored.size() + 4096;
  for (; size <= record_bytes_highest; size *= 2) {
    std::string value(size, '\0');
    const std::size_t got =
        ZSTD_decompress(value.data(), value.size(), stored.data(), stored.size());
    if (ZSTD_isError(got) == 0) {
      value.resize(got);
      return value;
    }
    if (known) break;
  }
  return std::nullopt;
}

std::optional<std::string> unpacked(compression how, std::string_view stored) {
  if (how == compression::lz4) return from_lz4(stored);
  if (how == compression::zstd) return from_zstd(stored);
  return std::string(stored);
}

}  // namespace

std::uint32_t crc32c_of(std::string_view bytes) noexcept {
  static const std::array<std::uint32_t, 256> sums = [] {
    std::array<std::uint32_t, 256> made{};
    for (std::uint32_t i = 0; i < made.size(); ++i) {
      std::uint32_t sum = i;
      for (int bit = 0; bit < 8; ++bit) sum = (sum >> 1) ^ ((sum & 1) != 0 ? 0x82f63b78U : 0);
      made[i] = sum;
    }
    return made;
  }();
  std::uint32_t sum = 0xffffffffU;
  for (const char byte : bytes) {
    sum = sums[(sum ^ static_cast<unsigned char>(byte)) & 0xffU] ^ (sum >> 8);
  }
  return ~sum;
}

foreign_records::step foreign_records::next(record& to) {
  const std::string_view start = bytes_.substr(at_);
  if (start.find_first_not_of('\0') == std::string_view::npos) return step::end;
  std::string_view rest = start;
  const auto key_bytes = take_varint(rest);
  const auto value_bytes = take_varint(rest);
  if (!key_bytes || !value_bytes || rest.empty()) return step::torn;
  const auto flags = static_cast<unsigned char>(rest.front());
  rest.remove_prefix(1);
  const unsigned packing = flags >> 2 & 3U;
  if ((flags & ~known_bits) != 0 || packing > 2) return step::torn;

  record made;
  made.tombstone = (flags & tombstone_bit) != 0;
  made.compress = static_cast<compression>(packing);
  if ((flags & ttl_bit) != 0) {
    const auto ttl = take_varint(rest);
    if (!ttl || *ttl > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      return step::torn;
    }
    made.time_to_live = std::chrono::milliseconds(static_cast<std::int64_t>(*ttl));
  }
  if ((flags & version_bit) != 0) {
    const auto term = take_varint(rest);
    const auto index = take_varint(rest);
    if (!term || !index) return step::torn;
    made.version = record_version{*term, *index};
  }
  if (*key_bytes > rest.size() || *value_bytes > rest.size() - *key_bytes ||
      rest.size() - *key_bytes - *value_bytes < 4) {
    return step::torn;
  }
  made.key = rest.substr(0, *key_bytes);
  const std::string_view stored = rest.substr(*key_bytes, *value_bytes);
  rest.remove_prefix(*key_bytes + *value_bytes);
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    sum |= static_cast<std::uint32_t>(static_cast<unsigned char>(rest[i])) << (8 * i);
  }
  if (crc32c_of(start.substr(0, start.size() - rest.size())) != sum) return step::torn;
  std::optional<std::string> value = unpacked(made.compress, stored);
  if (!value) return step::torn;
  made.value = std::move(*value);
  to = std::move(made);
  at_ += start.size() - rest.size() + 4;
  return step::got;
}

std::vector<std::filesystem::path> foreign_files(const std::filesystem::path& from) {
  if (!std::filesystem::is_directory(from)) return {from};
  std::vector<std::pair<std::uint64_t, std::filesystem::path>> numbered;
  for (const auto& each : std::filesystem::directory_iterator(from)) {
    const std::string stem = each.path().stem().string();
    const bool digits = !stem.empty() && stem.size() <= 18 &&
                        stem.find_first_not_of("0123456789") == std::string::npos;
    if (each.is_regular_file() && each.path().extension() == ".wal" && digits) {
      numbered.emplace_back(std::stoull(stem), each.path());
    }
  }
  std::sort(numbered.begin(), numbered.end());
  std::vector<std::filesystem::path> paths;
  for (auto& [number, path] : numbered) paths.push_back(std::move(path));
  return paths;
}

}  // namespace nori::cli
