#include "http.hpp"

#include <boost/json/serialize.hpp>

#include <utility>

namespace account_server {

response answer(http::status status, std::string_view content_type, std::string body) {
  response made(status, 11);
  made.set(http::field::content_type, content_type);
  made.set("X-Content-Type-Options", "nosniff");
  made.set(http::field::cache_control, "no-store");
  made.body() = std::move(body);
  made.prepare_payload();
  return made;
}

response answer(http::status status, const json::object& body) {
  return answer(status, "application/json", json::serialize(body) + '\n');
}

response error(http::status status, std::string_view code, std::string_view message,
               json::object more) {
  json::object body{{"error", code}, {"message", message}};
  for (auto& each : more) body.emplace(each.key(), std::move(each.value()));
  return answer(status, body);
}

response error(const bad_input& what) {
  return error(http::status::bad_request, "bad_input", what.message, {{"field", what.field}});
}

response unavailable(std::string_view code, std::string_view message) {
  response made = error(http::status::service_unavailable, code, message);
  made.set(http::field::retry_after, "1");
  return made;
}

}  // namespace account_server
