#include "store/stopped.hpp"

#include <boost/system/system_error.hpp>

#include <new>

#include <nori/error.hpp>

namespace nori::store {

std::exception_ptr stopped(const char* what, const std::string& name) noexcept {
  try {
    return std::make_exception_ptr(boost::system::system_error(
        make_error_code(errc::closed), std::string(what) + ' ' + name + " was stopped"));
  } catch (const std::bad_alloc&) {
    return std::current_exception();
  }
}

}  // namespace nori::store
