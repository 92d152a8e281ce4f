#include "router.hpp"

#include <boost/system/system_error.hpp>

#include <array>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <nori/error.hpp>

#include "auth.hpp"
#include "input.hpp"
#include "log.hpp"
#include "posts.hpp"
#include "queries.hpp"

namespace account_server {

namespace {

struct route {
  std::string_view path;  ///< `*` stands for one part of it, an account
  http::verb method;
  asio::awaitable<response> (*handler)(service& in, const target& where, const request& asked);
};

constexpr std::array routes{
    route{"/accounts", http::verb::post, post_open},
    route{"/accounts/*/deposit", http::verb::post, post_deposit},
    route{"/accounts/*/withdraw", http::verb::post, post_withdraw},
    route{"/accounts/*/close", http::verb::post, post_close},
    route{"/transfers", http::verb::post, post_transfer},
    route{"/accounts/*", http::verb::get, get_account},
    route{"/accounts/*/history", http::verb::get, get_history},
    route{"/balances", http::verb::get, get_balances},
    route{"/stats", http::verb::get, get_stats},
    route{"/metrics", http::verb::get, get_metrics},
    route{"/health", http::verb::get, get_health},
    route{"/openapi.json", http::verb::get, get_openapi},
    route{"/", http::verb::get, get_page},
    // With its method it does not come here.
    route{"/events", http::verb::get, nullptr},
};

bool matches(std::string_view pattern, const std::vector<std::string>& path) {
  for (const std::string& part : path) {
    pattern.remove_prefix(1);  // the slash
    const std::string_view wanted = pattern.substr(0, pattern.find('/'));
    if (wanted != "*" && wanted != part) return false;
    pattern.remove_prefix(wanted.size());
    if (pattern.empty()) return &part == &path.back();
  }
  return false;
}

response not_allowed(http::verb allowed) {
  response made =
      error(http::status::method_not_allowed, "method_not_allowed", "There is no such method here");
  made.set(http::field::allow, http::to_string(allowed));
  return made;
}

std::optional<response> check_post(const service& in, const request& asked) {
  if (!is_authorized(asked, in.token)) {
    response made = error(http::status::unauthorized, "unauthorized",
                          "This takes the header Authorization: Bearer TOKEN");
    made.set(http::field::www_authenticate, "Bearer");
    return made;
  }
  // A form of another site can't say this.
  const auto type = asked[http::field::content_type];
  if (!beast::iequals(type.substr(0, type.find(';')), "application/json")) {
    return error(http::status::unsupported_media_type, "unsupported_media_type",
                 "Content-Type is to be application/json", {{"field", "Content-Type"}});
  }
  return std::nullopt;
}

}  // namespace

response response_to(std::exception_ptr failure) {
  try {
    std::rethrow_exception(std::move(failure));
  } catch (const bad_input& wrong) {
    return error(wrong);
  } catch (const boost::system::system_error& failed) {
    if (failed.code() == nori::errc::append_in_doubt) {
      return unavailable("in_doubt", "It may have been done: send it again with its key");
    }
    if (failed.code() == nori::errc::no_space) {
      log_line("error", "no_space", {{"why", failed.what()}});
      return unavailable("no_space", "The disk is full; nothing was done");
    }
    if (failed.code() == nori::errc::log_failed) {
      return unavailable("log_failed", "The log has failed; the server is to be restarted");
    }
    if (failed.code() == nori::errc::closed) {
      return unavailable("stopping", "The server is stopping");
    }
    log_line("error", "request_failed", {{"why", failed.what()}});
  } catch (const std::exception& failed) {
    log_line("error", "request_failed", {{"why", failed.what()}});
  }
  return error(http::status::internal_server_error, "internal",
               "Something went wrong here; the server's log says what");
}

asio::awaitable<response> answer_to(service& in, const request& asked) {
  std::exception_ptr failure;
  try {
    const target where = parse_target({asked.target().data(), asked.target().size()});
    std::optional<http::verb> other_method;
    for (const route& each : routes) {
      if (!matches(each.path, where.path)) continue;
      if (each.method != asked.method() || each.handler == nullptr) {
        other_method = each.method;
        continue;
      }
      if (each.method == http::verb::post) {
        std::optional<response> refused = check_post(in, asked);
        if (refused) co_return std::move(*refused);
      }
      co_return co_await each.handler(in, where, asked);
    }
    if (other_method) co_return not_allowed(*other_method);
    co_return error(http::status::not_found, "no_such_path", "There is nothing here");
  } catch (...) {
    failure = std::current_exception();
  }
  co_return response_to(failure);
}

}  // namespace account_server
