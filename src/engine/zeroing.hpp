#ifndef NORI_ENGINE_ZEROING_HPP
#define NORI_ENGINE_ZEROING_HPP

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace nori::engine {

/// Decides whether zeros are written ahead of the head, and how many at once.
///
/// A synchronous write into blocks that were never written commits metadata as well. Zeros that
/// were written there beforehand avoid that and cost bandwidth. For small writes they always pay.
/// For large ones it depends on the file system and the device which costs more: both are tried in
/// turn, twice, and what took less time in the mean is kept for a while.
class zeroing {
 public:
  using duration = std::chrono::steady_clock::duration;

  /// Whether zeros shall be written ahead.
  [[nodiscard]] bool pays() const noexcept { return pays_; }
  /// Bytes of zeros to write at once: at least as much as a write takes up, so that they stay
  /// ahead.
  [[nodiscard]] std::uint64_t piece_bytes() const noexcept;
  /// How far the zeros shall lead the head.
  [[nodiscard]] std::uint64_t lead_bytes() const noexcept;

  /// A synchronous write has completed; `prepared`: all its blocks had been written before; `took`
  /// with what it waited for nothing but zeros in flight, where that is known.
  void write_completed(std::uint64_t bytes, bool prepared, duration took) noexcept;

 private:
  enum class phase : std::uint8_t {
    small,    ///< writes are small
    with,     ///< being measured with zeros ahead
    without,  ///< being measured without them
    decided,
  };
  void enter(phase next) noexcept;
  [[nodiscard]] double mean_cost() noexcept;

  static constexpr unsigned trials_wanted = 2;  ///< of each
  static constexpr std::size_t samples_wanted = 32;
  // Where zeros don't keep up, or a file is used again, one of the two can't be measured.
  static constexpr unsigned trial_writes_max = 4 * samples_wanted;
  static constexpr unsigned decision_writes = 4096;

  bool pays_ = true;
  phase phase_ = phase::small;
  double mean_bytes_ = 0;  ///< of a write, weighted towards the newest
  unsigned writes_ = 0;    ///< in this phase
  bool settled_ = false;   ///< what is to be measured has begun
  std::array<double, samples_wanted> samples_{};
  std::size_t sample_count_ = 0;
  unsigned trials_ = 0;
  double cost_with_ = 0;
  double cost_without_ = 0;
};

}  // namespace nori::engine

#endif
