#ifndef NORI_TEST_SUPPORT_CODE_OF_HPP
#define NORI_TEST_SUPPORT_CODE_OF_HPP

#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>

#include <string>

namespace nori::test {

/// The code of what a call throws; success where it does not.
template <typename Call>
boost::system::error_code code_of(Call call, std::string* text = nullptr) {
  try {
    call();
  } catch (const boost::system::system_error& error) {
    if (text != nullptr) *text = error.what();
    return error.code();
  }
  return {};
}

}  // namespace nori::test

#endif
