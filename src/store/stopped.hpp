#ifndef NORI_STORE_STOPPED_HPP
#define NORI_STORE_STOPPED_HPP

#include <exception>
#include <string>

namespace nori::store {

/// What waits for something that was stopped gets: errc::closed, which names `what`; bad_alloc
/// where there is no memory for that.
[[nodiscard]] std::exception_ptr stopped(const char* what, const std::string& name) noexcept;

}  // namespace nori::store

#endif
