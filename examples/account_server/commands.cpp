#include "commands.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include <nori/store/codec.hpp>
#include <nori/store/json_codec.hpp>

namespace account_server {

namespace {

/// An event on its way into the store, with all that it points to.
struct outgoing {
  outgoing(const account_event& what, std::string_view account, const command& by)
      : stream(stream_of(account)),
        encoded(nori::encode(nori::json_codec(), what)),
        tag_texts{account_tag(account), key_tag(by.key)},
        tags{tag_texts[0], tag_texts[1]},
        metadata(by.text()) {
    view.type = encoded.type;
    view.version = encoded.version;
    view.data = encoded.data;
    view.metadata = metadata;
    view.tags = tags;
  }
  outgoing(const outgoing&) = delete;
  outgoing& operator=(const outgoing&) = delete;

  std::string stream;
  nori::event encoded;
  std::array<std::string, 2> tag_texts;
  std::array<std::string_view, 2> tags;
  std::string metadata;
  nori::event_view view;
};

}  // namespace

asio::awaitable<outcome> commands::execute(command wanted) {
  // In the order of their names: otherwise two transfers, there and back, wait for each other.
  std::vector<std::string> names{wanted.account};
  if (wanted.what == action::transfer && wanted.other != wanted.account) {
    names.push_back(wanted.other);
    std::sort(names.begin(), names.end());
  }
  std::vector<nori::store::turns::turn> turns;
  turns.reserve(names.size());
  for (const std::string& name : names) {
    nori::store::turns::turn mine = co_await turns_.take(name);
    turns.push_back(std::move(mine));
  }

  account before;
  account other_before;
  if (const auto known = cache_.find(wanted.account)) {
    before = *known->state;
  } else {
    before = co_await load(wanted.account);
  }
  if (wanted.what == action::transfer) other_before = co_await load(wanted.other);
  decision decided = decide(wanted, before, other_before);
  if (!std::holds_alternative<changes>(decided)) {
    // The command may have been done long ago, and be impossible because of what it did.
    std::optional<outcome> earlier = co_await done_before(wanted);
    if (earlier) co_return std::move(*earlier);
    if (const rejection* const why = std::get_if<rejection>(&decided)) co_return *why;
    co_return std::get<changed_meanwhile>(decided);
  }

  const changes& made = std::get<changes>(decided);
  const outgoing event(made.to_account, wanted.account, wanted);
  std::optional<outgoing> other_event;
  if (made.to_other) other_event.emplace(*made.to_other, wanted.other, wanted);
  nori::append_request request;
  request.to(event.stream, nori::expected_revision::after(before.revision), {&event.view, 1});
  if (other_event) {
    request.to(other_event->stream, nori::expected_revision::after(other_before.revision),
               {&other_event->view, 1});
  }
  request.fail_if_exists(nori::query::with_tags({event.tag_texts[1]}));

  // Whatever ends the append otherwise, what is remembered may be wrong afterwards.
  for (const std::string& name : names) cache_.erase(name);
  const nori::append_result appended = co_await store_.append(std::move(request));
  if (appended.has_error()) {
    std::optional<outcome> earlier = co_await done_before(wanted);
    if (earlier) co_return std::move(*earlier);
    // Nobody else appends, so this does not happen; but what is in the store counts.
    const account found = co_await load(wanted.account);
    co_return changed_meanwhile{wanted.account, before.revision, found};
  }
  done did;
  did.position = appended->last_global_position;
  const auto remember = [&](const std::string& name, const account& was,
                            const account_event& what) {
    const auto now = std::make_shared<const account>(evolve(was, what));
    cache_.put(name, {now, now->revision});
    did.accounts.push_back({name, *now});
  };
  remember(wanted.account, before, made.to_account);
  if (made.to_other) remember(wanted.other, other_before, *made.to_other);
  co_return did;
}

asio::awaitable<account> commands::load(std::string name) {
  if (const auto known = cache_.find(name)) co_return *known->state;
  nori::read_events last;
  last.order = nori::direction::backwards;
  last.limit = 1;
  nori::event_reader events = store_.read_stream(stream_of(name), last);
  const std::optional<nori::recorded_event> found = co_await events.next();
  if (!found) co_return account();
  const auto now = std::make_shared<const account>(account_after(*found));
  cache_.put(name, {now, now->revision});
  co_return *now;
}

asio::awaitable<std::optional<outcome>> commands::done_before(command wanted) {
  nori::read_events its;
  its.filter.matching = nori::query::with_tags({key_tag(wanted.key)});
  nori::event_reader events = store_.read_all(its);
  std::optional<outcome> earlier;
  done did;
  did.repeated = true;
  for (;;) {
    const std::optional<nori::recorded_event> each = co_await events.next();
    if (!each) break;
    if (each->metadata != wanted.text()) {
      earlier.emplace(rejection{reason::key_reused, wanted.account, {}});
      co_return earlier;
    }
    did.position = each->global_position;
    did.accounts.push_back({std::string(account_of(*each)), account_after(*each)});
  }
  if (!did.accounts.empty()) earlier.emplace(std::move(did));
  co_return earlier;
}

}  // namespace account_server
