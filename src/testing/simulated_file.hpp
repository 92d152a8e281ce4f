#ifndef NORI_TESTING_SIMULATED_FILE_HPP
#define NORI_TESTING_SIMULATED_FILE_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "testing/sectors.hpp"

namespace nori::testing {

/// A file: what the device has, what readers see, and the changes on their way from the one to the
/// other.
class simulated_file {
 public:
  explicit simulated_file(std::string its_name) : name(std::move(its_name)) {}

  std::string name;  ///< the newest one

  [[nodiscard]] std::uint64_t bytes() const noexcept { return view_.bytes(); }
  [[nodiscard]] const sectors& device() const noexcept { return device_; }

  /// Within bytes(). `from_device`: what a read that bypasses the page cache gets.
  void read(std::uint64_t offset, std::byte* to, std::size_t count, bool from_device) const;
  /// `stamp` is counted on with each pending change.
  void write(std::uint64_t offset, std::span<const std::byte> from, std::uint64_t& stamp);
  void resize(std::uint64_t bytes, std::uint64_t& stamp);
  /// What was written there is durable, and so is the length that it needs.
  void settle(std::uint64_t offset, std::uint64_t count);
  /// All of it.
  void sync();
  /// A sync failed, and says from now on that there is nothing to do. Lengths stay pending.
  void lose_pending();

  /// A change that is not durable.
  struct change {
    std::uint64_t stamp = 0;
    bool resizes = false;
    std::uint64_t where = 0;  ///< index of a sector, or a length
    std::shared_ptr<const sector> content;
  };
  [[nodiscard]] const std::vector<change>& pending() const noexcept { return pending_; }
  /// Of a power cut: one change arrives.
  void arrive(const change& what);
  /// Of a power cut, at its end: what the device has is all there is.
  void lose_view();

  /// Memory that is the file's content from its beginning on, as a shared mapping is.
  void map(std::span<std::byte> memory) noexcept { mapped_ = memory; }
  void unmap(std::uint64_t& stamp);
  [[nodiscard]] std::span<const std::byte> mapped() const noexcept { return mapped_; }
  /// What was stored to the mapping becomes pending.
  void absorb_mapping(std::uint64_t& stamp);

  /// Damage: what the device has and what readers see.
  void overwrite(std::uint64_t offset, std::span<const std::byte> with);

  /// Blocks of 4 KiB that are reserved or written.
  [[nodiscard]] std::uint64_t blocks() const noexcept { return blocks_; }
  void reserve_to(std::uint64_t bytes) noexcept;

 private:
  sectors device_;
  sectors view_;
  std::vector<change> pending_;   ///< oldest first
  std::set<std::uint64_t> lost_;  ///< sectors that are marked clean, and that the device lacks
  std::span<std::byte> mapped_;
  std::uint64_t blocks_ = 0;
};

}  // namespace nori::testing

#endif
