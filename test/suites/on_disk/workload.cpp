#include "workload.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <sstream>
#include <stdexcept>

namespace nori::suites {
namespace {

constexpr std::array<const char*, 3> policy_names{"always", "batch", "os"};
constexpr std::array<const char*, 3> backend_names{"automatic", "uring", "threads"};

template <typename Enum, std::size_t Count>
Enum named(const std::array<const char*, Count>& names, const std::string& name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) throw std::invalid_argument("no such name: " + name);
  return static_cast<Enum>(found - names.begin());
}

std::string bytes_of(std::uint64_t bits, std::size_t count) {
  std::string made(count, '\0');
  for (std::size_t at = 0; at < count; at += sizeof(bits)) {
    bits = bits * 6364136223846793005U + 1442695040888963407U;
    std::memcpy(made.data() + at, &bits, std::min(sizeof(bits), count - at));
  }
  return made;
}

fsync_policy policy_of(fsync_policy::kind which) {
  switch (which) {
    case fsync_policy::kind::always:
      return fsync_policy::always();
    case fsync_policy::kind::batch:
      return fsync_policy::batch(sync_window);
    case fsync_policy::kind::os:
      break;
  }
  return fsync_policy::os();
}

}  // namespace

std::uint64_t mixed(std::uint64_t value) {
  value += 0x9e3779b97f4a7c15U;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9U;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebU;
  return value ^ (value >> 31);
}

config workload::log_config(const std::string& dir) const {
  const std::uint64_t bits = mixed(seed);
  config options(dir);
  options.fsync = policy_of(policy);
  options.backend = backend;
  // Small ones rotate often; larger ones have more in flight.
  options.segment_bytes_max = segment_bytes_lowest << (bits % 5);
  options.buffer_bytes_max = buffer_bytes_lowest << (bits / 8 % 3);
  options.preallocate = bits / 64 % 4 != 0;
  return options;
}

store_config workload::events_config(const std::string& dir) const {
  store_config options(dir);
  options.log = log_config(dir);
  options.index_cache_bytes = std::size_t{1} << 20;
  return options;
}

std::string workload::text() const {
  std::ostringstream to;
  to << (store ? "store" : "log") << ',' << policy_names.at(static_cast<std::size_t>(policy)) << ','
     << backend_names.at(static_cast<std::size_t>(backend)) << ',' << seed;
  return to.str();
}

workload workload::from(const std::string& text) {
  std::istringstream words(text);
  std::array<std::string, 4> word;
  for (std::string& each : word) std::getline(words, each, ',');
  if (word[0] != "log" && word[0] != "store") throw std::invalid_argument("no workload: " + text);
  workload made;
  made.store = word[0] == "store";
  made.policy = named<fsync_policy::kind>(policy_names, word[1]);
  made.backend = named<nori::backend>(backend_names, word[2]);
  made.seed = std::stoull(word[3]);
  return made;
}

workload workload::any(random_numbers& random) {
  workload made;
  made.store = random.below(2) == 0;
  made.policy = static_cast<fsync_policy::kind>(random.below(3));
  made.backend = random.below(4) == 0 ? nori::backend::threads : nori::backend::automatic;
  made.seed = random();
  return made;
}

group::group(std::uint64_t seed, std::uint64_t number)
    : number_(number), bits_(mixed(seed ^ mixed(number))) {
  constexpr std::array<std::size_t, 8> sizes{1, 1, 1, 1, 1, 2, 3, 7};
  records_ = sizes[bits_ % sizes.size()];
}

record group::made(std::size_t index) const {
  const std::uint64_t bits = mixed(bits_ + index);
  record one;
  one.key = std::to_string(number_) + "." + std::to_string(index);
  if (bits % 16 == 1) {
    one.value.assign(bits / 16 % 4000, static_cast<char>('a' + bits / 65536 % 26));
    one.compress = compression::lz4;
    return one;
  }
  // Several of the largest still fit into the smallest buffer.
  one.value = bytes_of(bits, bits % 32 == 0 ? bits / 32 % 4000 : bits / 32 % 500);
  return one;
}

event_group::event_group(std::uint64_t seed, std::size_t lane, std::uint64_t number)
    : lane_(lane), number_(number), bits_(mixed(seed ^ mixed(number * 16 + lane))) {
  switch (bits_ % 4) {
    case 0:
      own_ = 1;
      break;
    case 1:
      own_ = 2 + bits_ / 4 % 3;
      break;
    case 2:
      own_ = 1 + bits_ / 4 % 2;
      shared_ = 1;
      break;
    default:
      shared_ = 1;
      break;
  }
}

std::string event_group::own_stream(std::size_t lane, std::size_t place) {
  return "lane-" + std::to_string(lane) + "/" + std::to_string(place);
}

std::string event_group::stream_of(std::size_t index) const {
  return index < own_ ? own_stream(lane_, place()) : "shared";
}

event event_group::made(std::size_t index) const {
  const std::uint64_t bits = mixed(bits_ + index);
  event one("type-" + std::to_string(bits % event_types),
            bytes_of(bits, bits % 24 == 0 ? 4000 : bits / 32 % 300));
  one.tags.push_back("tag-" + std::to_string(bits / 8 % event_tags));
  origin of;
  of.lane = static_cast<std::uint32_t>(lane_);
  of.index = static_cast<std::uint32_t>(index);
  of.number = number_;
  static_assert(sizeof(of) == sizeof(one.id));
  std::memcpy(&one.id, &of, sizeof(of));
  one.id.data[0] ^= 0x80;  // never nil
  return one;
}

origin origin_of(uuid id) {
  id.data[0] ^= 0x80;
  origin of;
  std::memcpy(static_cast<void*>(&of), &id, sizeof(of));
  return of;
}

std::string snapshots_beside(const std::string& dir) { return dir + ".snapshots"; }

std::string snapshot_data(const std::string& stream, std::uint64_t revision) {
  std::uint64_t bits = mixed(revision);
  for (const char each : stream) bits = mixed(bits + static_cast<unsigned char>(each));
  return bytes_of(bits, bits % 6000);
}

}  // namespace nori::suites
