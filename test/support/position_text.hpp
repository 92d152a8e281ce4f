#ifndef NORI_TEST_SUPPORT_POSITION_TEXT_HPP
#define NORI_TEST_SUPPORT_POSITION_TEXT_HPP

#include <ostream>

#include <nori/position.hpp>

namespace nori {

inline std::ostream& operator<<(std::ostream& out, const position& at) {
  return out << at.segment_id << ':' << at.offset;
}

}  // namespace nori

#endif
