#include "engine/zeroing.hpp"

#include <algorithm>
#include <limits>

#include "engine/tail.hpp"

namespace nori::engine {

namespace {

constexpr std::uint64_t kib = 1024;

// Zeros are written seldom and many at once: a write and its sync wait for those in flight, and a
// piece per write would hold up each of them.
constexpr double small_write_bytes = 32 * kib;
constexpr std::uint64_t small_piece_bytes = 256 * kib;
constexpr std::uint64_t piece_bytes_min = 512 * kib;
constexpr std::uint64_t piece_bytes_max = 1024 * kib;
// From here on the bandwidth that zeros take may cost more than they save; measured.
constexpr double large_write_bytes = 96 * kib;

constexpr std::uint64_t lead_bytes_min = 1024 * kib;
constexpr std::uint64_t lead_writes = 4;

// What a write of no bytes takes, in bytes: so that the times of writes of different lengths can be
// compared.
constexpr double latency_bytes = 256 * kib;

}  // namespace

std::uint64_t zeroing::piece_bytes() const noexcept {
  if (mean_bytes_ < small_write_bytes) return small_piece_bytes;
  const auto bytes = block_ceil(static_cast<std::uint64_t>(mean_bytes_));
  return std::clamp(bytes, piece_bytes_min, piece_bytes_max);
}

std::uint64_t zeroing::lead_bytes() const noexcept {
  return std::max(lead_bytes_min, lead_writes * piece_bytes());
}

void zeroing::write_completed(std::uint64_t bytes, bool prepared, duration took) noexcept {
  mean_bytes_ += (static_cast<double>(bytes) - mean_bytes_) / 8;
  if (mean_bytes_ < large_write_bytes) {
    if (phase_ != phase::small) enter(phase::small);
    return;
  }
  if (phase_ == phase::small) enter(phase::with);
  ++writes_;
  if (phase_ == phase::decided) {
    if (writes_ == decision_writes) enter(phase::with);
    return;
  }
  // From when the zeros lead the head, or have been used up: whatever it finds then.
  if (prepared == (phase_ == phase::with)) settled_ = true;
  if (settled_) {
    samples_[sample_count_++] =
        static_cast<double>(took.count()) / (latency_bytes + static_cast<double>(bytes));
  }
  if (sample_count_ < samples_wanted && writes_ < trial_writes_max) return;
  // What could not be measured is not there to be had.
  const double cost =
      sample_count_ == samples_wanted ? mean_cost() : std::numeric_limits<double>::infinity();
  if (phase_ == phase::with) {
    cost_with_ += cost;
    enter(phase::without);
    return;
  }
  cost_without_ += cost;
  if (++trials_ < trials_wanted) {
    enter(phase::with);
    return;
  }
  enter(phase::decided);
  pays_ = cost_with_ <= cost_without_;
}

void zeroing::enter(phase next) noexcept {
  if (next == phase::with && phase_ != phase::without) {
    trials_ = 0;
    cost_with_ = cost_without_ = 0;
  }
  phase_ = next;
  pays_ = next != phase::without;
  writes_ = 0;
  settled_ = false;
  sample_count_ = 0;
}

// A piece of zeros holds up a few writes, which must count; a stall of the device must not.
double zeroing::mean_cost() noexcept {
  auto* const middle = samples_.begin() + samples_wanted / 2;
  std::nth_element(samples_.begin(), middle, samples_.end());
  const double highest = 4 * *middle;
  double sum = 0;
  for (const double each : samples_) sum += std::min(each, highest);
  return sum / samples_wanted;
}

}  // namespace nori::engine
