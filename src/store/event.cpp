#include <nori/store/event.hpp>

#include <array>
#include <cstdint>
#include <cstring>
#include <random>

namespace nori {

namespace {

// Seeded by the operating system, with as much as keeps two of them apart.
std::mt19937_64 seeded_generator() {
  std::random_device system;
  std::array<std::uint32_t, 16> words{};
  for (std::uint32_t& word : words) word = system();
  std::seed_seq seed(words.begin(), words.end());
  return std::mt19937_64(seed);
}

}  // namespace

uuid random_uuid() {
  thread_local std::mt19937_64 generator = seeded_generator();
  const std::uint64_t halves[2] = {generator(), generator()};
  uuid made{};
  static_assert(sizeof made.data == sizeof halves);
  std::memcpy(made.data, halves, sizeof halves);
  // RFC 4122: version 4, variant 1.
  made.data[6] = static_cast<std::uint8_t>((made.data[6] & 0x0f) | 0x40);
  made.data[8] = static_cast<std::uint8_t>((made.data[8] & 0x3f) | 0x80);
  return made;
}

event recorded_event::to_event() const {
  event made{std::string(type), std::string(data)};
  made.metadata = metadata;
  made.tags.assign(tags.begin(), tags.end());
  made.version = version;
  made.id = id;
  made.correlation_id = correlation_id;
  made.causation_id = causation_id;
  return made;
}

}  // namespace nori
