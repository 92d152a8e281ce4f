#include "queries.hpp"

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

namespace account_server {

namespace {

constexpr std::size_t page_items_max = 1000;
constexpr std::size_t page_items = 100;

response no_such_account() {
  return error(http::status::not_found, "no_such_account", "There is, or was, no such account");
}

}  // namespace

json::object json_of(std::string_view name, const account& its) {
  return {{"account", name}, {"status", name_of(its.status)}, {"balance", its.balance}};
}

json::object json_of(const nori::recorded_event& stored) {
  json::object shown{{"position", stored.global_position},
                     {"account", account_of(stored)},
                     {"revision", stored.revision},
                     {"type", stored.type},
                     {"recorded_at", to_string(stored.recorded_at)}};
  std::visit(
      [&](const auto& what) {
        using type = std::remove_cvref_t<decltype(what)>;
        if constexpr (requires { what.amount; }) shown["amount"] = what.amount;
        shown["balance"] = what.balance;
        if constexpr (std::is_same_v<type, transfer_sent> ||
                      std::is_same_v<type, transfer_received>) {
          shown["other"] = what.other;
        }
      },
      event_of(stored));
  return shown;
}

asio::awaitable<response> get_account(service& in, const target& where, const request&) {
  where.allow({"at", "revision"});
  const std::string name = parse_account(where.path[1], "account");
  const std::optional<std::string> at = where.parameter("at");
  const std::optional<std::uint64_t> revision = where.count("revision");
  if (at && revision) throw bad_input{"revision", "at and revision do not go together"};
  // The last event that was there then tells all of the account.
  nori::read_events last;
  last.order = nori::direction::backwards;
  last.limit = 1;
  if (at) last.as_of_time = parse_time(*at, "at");
  if (revision) last.from = revision;
  nori::event_reader events = in.store.read_stream(stream_of(name), last);
  const std::optional<nori::recorded_event> found = co_await events.next();
  // There was no such revision yet: an account at it is not known.
  if (!found || (revision && found->revision != *revision)) co_return no_such_account();
  const account then = account_after(*found);
  json::object shown = json_of(name, then);
  shown["revision"] = found->revision;
  shown["recorded_at"] = to_string(found->recorded_at);
  co_return answer(http::status::ok, shown);
}

asio::awaitable<response> get_history(service& in, const target& where, const request&) {
  where.allow({"from", "limit", "order"});
  const std::string name = parse_account(where.path[1], "account");
  const std::string order = where.parameter("order").value_or("asc");
  if (order != "asc" && order != "desc") throw bad_input{"order", "order is to be asc or desc"};
  const std::size_t limit = where.limit(page_items, page_items_max);
  nori::read_events page;
  page.order = order == "asc" ? nori::direction::forwards : nori::direction::backwards;
  page.from = where.count("from");
  page.limit = limit + 1;  // one more says that there is a next page
  nori::event_reader events = in.store.read_stream(stream_of(name), page);
  json::array shown;
  json::value next = nullptr;
  for (;;) {
    const std::optional<nori::recorded_event> each = co_await events.next();
    if (!each) break;
    if (shown.size() == limit) {
      next = each->revision;
      break;
    }
    shown.push_back(json_of(*each));
  }
  if (shown.empty()) {
    // An account without events behind `from`, or none at all.
    const std::optional<std::uint64_t> head = co_await in.store.head(stream_of(name));
    if (!head) co_return no_such_account();
  }
  co_return answer(http::status::ok,
                   {{"account", name}, {"events", std::move(shown)}, {"next", std::move(next)}});
}

asio::awaitable<response> get_balances(service& in, const target& where, const request&) {
  where.allow({"after", "limit", "at_least"});
  const std::size_t limit = where.limit(page_items, page_items_max);
  std::optional<std::string> after = where.parameter("after");
  if (after) after = parse_account(*after, "after");
  const std::optional<std::uint64_t> at_least = where.count("at_least");
  if (at_least) {
    if (*at_least >= in.store.next_global_position()) {
      throw bad_input{"at_least", "There is no event with that position yet"};
    }
    co_await in.view->wait_for(*at_least);
  }
  json::object shown =
      in.view->read([&](const balances& all, std::optional<std::uint64_t> through) {
        json::array page;
        json::value next = nullptr;
        auto each = after ? all.accounts.upper_bound(*after) : all.accounts.begin();
        for (; each != all.accounts.end() && page.size() < limit; ++each) {
          page.push_back(json_of(each->first, each->second));
        }
        if (each != all.accounts.end()) next = std::prev(each)->first;
        return json::object{{"through", through ? json::value(*through) : json::value(nullptr)},
                            {"count", all.accounts.size()},
                            {"total", all.total},
                            {"accounts", std::move(page)},
                            {"next", std::move(next)}};
      });
  co_return answer(http::status::ok, shown);
}

}  // namespace account_server
