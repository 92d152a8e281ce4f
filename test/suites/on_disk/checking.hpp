#ifndef NORI_TEST_SUITES_ON_DISK_CHECKING_HPP
#define NORI_TEST_SUITES_ON_DISK_CHECKING_HPP

#include <cstdint>
#include <string>
#include <vector>

#include "account.hpp"
#include "workload.hpp"

namespace nori::suites {

/// What the fault may have taken.
enum class fault : std::uint8_t {
  killed_process,  ///< nothing that was acknowledged
  power_cut,       ///< nothing that was durable
};

/// Opens what a writer left, which repairs it, and compares it with what the writer told:
///
///  1. what was promised to survive the fault is there;
///  2. what is there is a prefix of what was appended, byte for byte, each group whole;
///  3. however it is asked, a store answers what a scan of it gives; its revisions are dense;
///  4. checkpoints and snapshots that were saved are there, and not ahead of the events.
///
/// @returns how many groups of each lane are there.
/// @throws broken naming what does not hold.
[[nodiscard]] std::vector<std::uint64_t> check(const workload& what, const std::string& dir,
                                               account& told, fault after);

/// The first of these promises, of one lane.
void require_promised(const account::lane& told, std::uint64_t found, fault after);

std::vector<std::uint64_t> check_log(const workload& what, const std::string& dir,
                                     const account& told, fault after);
std::vector<std::uint64_t> check_store(const workload& what, const std::string& dir, account& told,
                                       fault after);

}  // namespace nori::suites

#endif
