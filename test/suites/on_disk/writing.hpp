#ifndef NORI_TEST_SUITES_ON_DISK_WRITING_HPP
#define NORI_TEST_SUITES_ON_DISK_WRITING_HPP

#include <cstdint>
#include <string>
#include <vector>

#include "workload.hpp"

namespace nori::suites {

struct writing {
  workload what;
  std::string dir;
  /// The groups of each lane that are there.
  std::vector<std::uint64_t> from;
  /// A planted bug: what is acknowledged is told as durable.
  bool lies = false;
  /// A log's groups come one after the other. Where room ends, one that is told so is overtaken by
  /// a smaller one behind it that still fits: then their numbers would have a gap.
  bool alone = false;
  /// Ends by itself, by closing, when this many groups of each lane are acknowledged.
  std::uint64_t until = UINT64_MAX;
};

/// Append without end and tell what was promised. They return when they closed what they wrote to,
/// and throw what failed, which they have told.
void write_log(const writing& how);
void write_store(const writing& how);

}  // namespace nori::suites

#endif
