#include "engine/zeroing.hpp"

#include <algorithm>
#include <limits>

#include "engine/tail.hpp"

namespace nori::engine {

namespace {

constexpr std::uint64_t kib = 1024;

// Below, a write costs its latency; zeros are written seldom and many at once.
constexpr double small_write_bytes = 32 * kib;
constexpr std::uint64_t small_piece_bytes = 256 * kib;
// From here on the bandwidth that zeros take may cost more than they save; measured.
constexpr double large_write_bytes = 96 * kib;

constexpr std::uint64_t piece_bytes_min = 64 * kib;
constexpr std::uint64_t piece_bytes_max = 1024 * kib;
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
  if (prepared == (phase_ == phase::with)) {
    samples_[sample_count_++] =
        static_cast<double>(took.count()) / (latency_bytes + static_cast<double>(bytes));
  }
  if (sample_count_ < samples_wanted && writes_ < trial_writes_max) return;
  // What could not be measured is not there to be had.
  const double cost =
      sample_count_ == samples_wanted ? median() : std::numeric_limits<double>::infinity();
  if (phase_ == phase::with) {
    cost_with_ = cost;
    enter(phase::without);
  } else {
    const bool pays = cost_with_ <= cost;
    enter(phase::decided);
    pays_ = pays;
  }
}

void zeroing::enter(phase next) noexcept {
  phase_ = next;
  pays_ = next != phase::without;
  writes_ = 0;
  sample_count_ = 0;
}

double zeroing::median() noexcept {
  auto* const middle = samples_.begin() + samples_wanted / 2;
  std::nth_element(samples_.begin(), middle, samples_.end());
  return *middle;
}

}  // namespace nori::engine
