#ifndef NORI_TESTING_DISK_IMAGE_HPP
#define NORI_TESTING_DISK_IMAGE_HPP

#include <nori/testing/disk_fault.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "testing/simulated_file.hpp"

namespace nori::testing {

using simulated_file_ptr = std::shared_ptr<simulated_file>;

/// Names of files: those that readers see, those that are durable, and the changes in between.
struct simulated_directory {
  using names = std::map<std::string, simulated_file_ptr>;
  /// Names that change at one time; null: the name goes.
  using change = std::vector<std::pair<std::string, simulated_file_ptr>>;

  names seen;
  names durable;
  struct pending_change {
    std::uint64_t stamp;
    change what;
  };
  std::vector<pending_change> pending;  ///< oldest first

  void set(change what, std::uint64_t& stamp);
  void sync();
};

/// All that is on a disk. Plain data: no locks, no time, nobody who has it open.
class disk_image {
 public:
  disk_image() = default;
  disk_image(disk_image&&) = default;
  disk_image& operator=(disk_image&&) = default;

  std::map<std::string, simulated_directory> directories;
  std::uint64_t stamp = 0;

  /// With files of its own, whose blocks are shared until they are written to. Mappings are copied
  /// as what they hold.
  [[nodiscard]] disk_image copy();

  [[nodiscard]] pending_changes pending();
  void cut_power(const power_cut& how, std::mt19937_64& random);
  /// What was stored to mappings becomes visible (and pending), and the mappings are gone.
  void end_mappings();

  /// Of what is durable.
  [[nodiscard]] std::uint64_t hash() const;
  /// Bytes that all files take.
  [[nodiscard]] std::uint64_t bytes_used() const;

 private:
  template <typename Visit>
  void for_each_file(Visit visit) const;
};

}  // namespace nori::testing

#endif
