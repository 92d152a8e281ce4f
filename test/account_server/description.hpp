#ifndef NORI_TEST_ACCOUNT_SERVER_DESCRIPTION_HPP
#define NORI_TEST_ACCOUNT_SERVER_DESCRIPTION_HPP

#include <boost/json/value.hpp>

#include <string>

#include "client.hpp"

namespace nori::server_test {

/// Checks that an OpenAPI description has this answer to this request: path, method, status, type
/// and, where that is JSON, each member of the body.
void check_described(const boost::json::value& description, const call& asked, const reply& got);

/// What is wrong with a value by a schema of the description; empty: nothing.
[[nodiscard]] std::string why_not(const boost::json::value& description,
                                  const boost::json::value& schema, const boost::json::value& value,
                                  const std::string& where = {});

}  // namespace nori::server_test

#endif
