#ifndef NORI_POSITION_HPP
#define NORI_POSITION_HPP

#include <compare>
#include <cstdint>

namespace nori {

/// Where a record starts: a segment and a byte offset in it.
///
/// Positions are ordered like the records and stay valid for ever: reopening, rotation and the
/// deletion of other segments never change them. A default position lies before every record.
struct position {
  std::uint64_t segment_id = 0;  ///< counts up from 1; 0 only in a default position
  std::uint64_t offset = 0;      ///< bytes from the start of the segment's file

  friend constexpr auto operator<=>(const position&, const position&) = default;
};

}  // namespace nori

#endif
