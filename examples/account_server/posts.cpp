#include "posts.hpp"

#include <boost/system/system_error.hpp>

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "queries.hpp"

namespace account_server {

namespace {

json::value or_null(std::optional<std::uint64_t> count) {
  return count ? json::value(*count) : json::value(nullptr);
}

response show(const command& wanted, const done& did) {
  json::array accounts;
  for (const done::changed& each : did.accounts) {
    json::object its = json_of(each.name, each.now);
    its["revision"] = or_null(each.now.revision);
    accounts.push_back(std::move(its));
  }
  const http::status status =
      wanted.what == action::open ? http::status::created : http::status::ok;
  return answer(status, {{"key", wanted.key},
                         {"repeated", did.repeated},
                         {"position", did.position},
                         {"accounts", std::move(accounts)}});
}

response show(const rejection& why) {
  json::object more{{"account", why.name}};
  if (why.found.revision) {
    more["revision"] = *why.found.revision;
    more["balance"] = why.found.balance;
  }
  return error(http::status::unprocessable_entity, name_of(why.why), message(why.why),
               std::move(more));
}

response show(const changed_meanwhile& what) {
  json::object found{
      {"revision", or_null(what.found.revision)}, {"status", nullptr}, {"balance", nullptr}};
  if (what.found.revision) {
    found["status"] = name_of(what.found.status);
    found["balance"] = what.found.balance;
  }
  json::object more{{"account", what.name}, {"found", std::move(found)}};
  if (what.expected) more["expected_revision"] = *what.expected;
  return error(http::status::conflict, "conflict",
               "The account is not at the revision that was expected", std::move(more));
}

std::string_view label_of(const outcome& what) {
  if (const done* const did = std::get_if<done>(&what)) {
    return did->repeated ? "repeated" : "accepted";
  }
  return std::holds_alternative<rejection>(what) ? "rejected" : "conflict";
}

/// One of the commands that may be worked on at once.
class place {
 public:
  explicit place(std::atomic<std::size_t>& taken) : taken_(taken), number_(++taken) {}
  ~place() { --taken_; }
  place(const place&) = delete;
  place& operator=(const place&) = delete;
  [[nodiscard]] std::size_t number() const noexcept { return number_; }

 private:
  std::atomic<std::size_t>& taken_;
  std::size_t number_;
};

asio::awaitable<response> execute(service& in, action what, std::optional<std::string> account,
                                  const target& where, const request& asked) {
  where.allow({});
  const command wanted = parse_command(what, std::move(account), asked);
  const place mine(in.commands_in_flight);
  if (mine.number() > in.how.commands_max) {
    in.meter->add(metrics::commands, 1, "overloaded");
    co_return unavailable("overloaded", "Too many commands at once; try again");
  }
  const auto begun = std::chrono::steady_clock::now();
  std::optional<outcome> did;
  try {
    outcome result = co_await in.desk->execute(wanted);
    did.emplace(std::move(result));
  } catch (const boost::system::system_error&) {
    in.meter->add(metrics::commands, 1, "failed");
    throw;
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  in.meter->add(metrics::commands, 1, label_of(*did));
  in.meter->observe(metrics::command_seconds, took.count(), {});
  co_return std::visit(
      [&](const auto& it) {
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(it)>, done>) {
          return show(wanted, it);
        } else {
          return show(it);
        }
      },
      *did);
}

}  // namespace

asio::awaitable<response> post_open(service& in, const target& where, const request& asked) {
  return execute(in, action::open, {}, where, asked);
}
asio::awaitable<response> post_deposit(service& in, const target& where, const request& asked) {
  return execute(in, action::deposit, where.path[1], where, asked);
}
asio::awaitable<response> post_withdraw(service& in, const target& where, const request& asked) {
  return execute(in, action::withdraw, where.path[1], where, asked);
}
asio::awaitable<response> post_transfer(service& in, const target& where, const request& asked) {
  return execute(in, action::transfer, {}, where, asked);
}
asio::awaitable<response> post_close(service& in, const target& where, const request& asked) {
  return execute(in, action::close, where.path[1], where, asked);
}

}  // namespace account_server
