#ifndef NORI_STORE_LIMITS_HPP
#define NORI_STORE_LIMITS_HPP

#include <string_view>

#include <nori/store/append.hpp>

namespace nori::store {

/// Throws errc::invalid_event naming what is not allowed, never its bytes.
void check_stream_name(std::string_view name);
void check_event(const event_view& what);
void check_query(const query& what);

}  // namespace nori::store

#endif
