#ifndef NORI_BENCH_COMMON_HISTOGRAM_HPP
#define NORI_BENCH_COMMON_HISTOGRAM_HPP

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace nori::bench {

/// Counts values in buckets whose width grows with the value: 64 to each power of two, so that a
/// quantile is right to 0.8 %. Values below 128 are exact. For nanoseconds: up to an hour.
class histogram {
 public:
  void add(std::uint64_t value) noexcept {
    ++counts_[index_of(value)];
    ++total_;
    highest_ = std::max(highest_, value);
  }

  void add(const histogram& other) noexcept {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    total_ += other.total_;
    highest_ = std::max(highest_, other.highest_);
  }

  [[nodiscard]] std::uint64_t total() const noexcept { return total_; }
  [[nodiscard]] std::uint64_t highest() const noexcept { return highest_; }

  /// The value that a share of `q` of all values does not exceed; 0 when there are none.
  [[nodiscard]] double quantile(double q) const noexcept {
    const auto wanted = static_cast<std::uint64_t>(q * static_cast<double>(total_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > wanted || (seen == total_ && seen != 0)) {
        return std::min(middle_of(i), static_cast<double>(highest_));
      }
    }
    return 0;
  }

 private:
  static constexpr unsigned bits = 6;
  static constexpr std::size_t per_octave = std::size_t{1} << bits;
  static constexpr unsigned value_bits = 42;
  static constexpr std::uint64_t value_max = (std::uint64_t{1} << value_bits) - 1;

  static constexpr std::size_t index_of(std::uint64_t value) noexcept {
    value = std::min(value, value_max);
    const auto width = static_cast<unsigned>(std::bit_width(value));
    const unsigned shift = width > bits + 1 ? width - bits - 1 : 0;
    return shift * per_octave + (value >> shift);
  }
  static constexpr double middle_of(std::size_t index) noexcept {
    const std::size_t shift = index < 2 * per_octave ? 0 : index / per_octave - 1;
    const auto low = static_cast<std::uint64_t>(index - shift * per_octave) << shift;
    return static_cast<double>(low) + static_cast<double>((std::uint64_t{1} << shift) - 1) / 2;
  }

  std::array<std::uint64_t, (value_bits - bits + 1) * per_octave> counts_{};
  std::uint64_t total_ = 0;
  std::uint64_t highest_ = 0;
};

}  // namespace nori::bench

#endif
