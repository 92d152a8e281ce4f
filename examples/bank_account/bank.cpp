#include "bank.hpp"

#include <utility>

namespace bank {

account_event account_event_of(const event& stored) {
  const std::optional<account_event> decoded = from_json(stored.type, stored.data);
  if (!decoded) throw undecodable_event(stored.at, stored.type, "it is no event of an account");
  return *decoded;
}

asio::awaitable<account> accounts::find(std::string name) const {
  account found;
  event_reader events = events_.read_all();
  while (const std::optional<event> each = co_await events.next()) {
    if (each->account != name) continue;
    const std::optional<account> after = evolve(found, account_event_of(*each));
    if (!after) throw undecodable_event(each->at, each->type, "it can't follow the ones before it");
    found = *after;
  }
  co_return found;
}

asio::awaitable<boost::system::result<account, rejection>> accounts::perform(std::string name,
                                                                             command wanted) {
  const account before = co_await find(name);
  const auto decided = decide(before, wanted);
  if (!decided) co_return decided.error();
  // What decide makes happen can always happen.
  const account after = evolve(before, *decided).value();
  std::string type(type_of(*decided));
  boost::json::object data = to_json(*decided);
  co_await events_.append(std::move(name), std::move(type), std::move(data));
  co_return after;
}

}  // namespace bank
