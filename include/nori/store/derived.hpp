#ifndef NORI_STORE_DERIVED_HPP
#define NORI_STORE_DERIVED_HPP

#include <cstdint>
#include <string>
#include <utility>

namespace nori {

/// What was made of the events up to a global position: a view's bytes, or nothing but how far
/// somebody has read. Never the truth: it can be made again from the events.
///
/// Not an aggregate, for the reason that config gives.
struct derived {
  derived() = default;
  derived(std::uint64_t up_to, std::uint32_t its_version, std::string its_bytes)
      : through(up_to), version(its_version), bytes(std::move(its_bytes)) {}

  std::uint64_t through = 0;  ///< global position of the last event in it
  std::uint32_t version = 0;  ///< of the code that made it; the user's own
  std::string bytes;
};

}  // namespace nori

#endif
