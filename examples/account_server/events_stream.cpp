#include "events_stream.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "input.hpp"
#include "queries.hpp"

namespace account_server {

namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr std::array<std::string_view, 6> types{"account_opened",    "deposited",
                                                "withdrawn",         "transfer_sent",
                                                "transfer_received", "account_closed"};

// Some 20 KiB at once.
constexpr std::size_t batch_events_max = 128;
constexpr auto caught_up_every = 1s;

std::vector<std::string> parse_types(std::string_view text) {
  std::vector<std::string> wanted;
  for (;;) {
    const std::size_t comma = text.find(',');
    const std::string_view type = text.substr(0, comma);
    if (std::find(types.begin(), types.end(), type) == types.end()) {
      throw bad_input{"type", "type is to be names of event types, separated by commas"};
    }
    wanted.emplace_back(type);
    if (comma == std::string_view::npos) return wanted;
    text.remove_prefix(comma + 1);
  }
}

void add_message(std::string& to, const nori::recorded_event& what) {
  to += "id: " + std::to_string(what.global_position) + "\nevent: ";
  to += what.type;
  to += "\ndata: " + json::serialize(json_of(what)) + "\n\n";
}

std::string caught_up(std::optional<std::uint64_t> at) {
  std::string text;
  if (at) text = "id: " + std::to_string(*at) + '\n';
  return text + "event: caught_up\ndata: {\"position\":" + (at ? std::to_string(*at) : "null") +
         "}\n\n";
}

asio::awaitable<nori::event_batch> next_of(nori::subscription& events) {
  co_return co_await events.next_batch();
}

// The next events; nothing where it was woken for something else first. No event is lost by that.
asio::awaitable<std::optional<nori::event_batch>> next_or_woken(std::shared_ptr<connection> me,
                                                                nori::subscription& events,
                                                                std::chrono::milliseconds longest) {
  asio::steady_timer alarm(me->executor, longest);
  alarm.async_wait([me](boost::system::error_code cancelled) {
    if (!cancelled) me->wake.emit(asio::cancellation_type::terminal);
  });
  std::optional<nori::event_batch> got;
  try {
    got =
        co_await asio::co_spawn(me->executor, next_of(events),
                                asio::bind_cancellation_slot(me->wake.slot(), asio::use_awaitable));
  } catch (const boost::system::system_error& ended) {
    if (ended.code() != asio::error::operation_aborted) throw;
  }
  co_return got;
}

}  // namespace

nori::subscribe_options parse_subscription(const service& in, const request& asked) {
  const target where = parse_target({asked.target().data(), asked.target().size()});
  where.allow({"account", "type", "after"});
  nori::subscribe_options how;
  how.batch_events_max = batch_events_max;

  nori::query_item wanted;
  if (const std::optional<std::string> account = where.parameter("account")) {
    wanted.tags.push_back(account_tag(parse_account(*account, "account")));
  }
  if (const std::optional<std::string> text = where.parameter("type")) {
    wanted.types = parse_types(*text);
  }
  if (!wanted.tags.empty() || !wanted.types.empty()) how.filter.matching.items.push_back(wanted);

  const std::uint64_t next = in.store.durable_global_position();
  std::string_view field = "after";
  std::optional<std::string> after = where.parameter("after");
  if (const auto resumed = asked.find("Last-Event-ID"); resumed != asked.end()) {
    field = "Last-Event-ID";
    after.emplace(resumed->value().data(), resumed->value().size());
  }
  if (after == "latest" && field == "after") {
    if (next > 0) how.after = next - 1;
  } else if (after) {
    how.after = parse_count(*after, field);
    if (*how.after >= next) {
      throw bad_input{std::string(field), "There is no event with that position yet"};
    }
  }
  return how;
}

asio::awaitable<void> stream_events(service& in, std::shared_ptr<connection> me,
                                    std::shared_ptr<readers::reader> counted,
                                    nori::subscribe_options how, message_writer write) {
  counted->taken = how.after ? *how.after + 1 : 0;
  nori::subscription events = in.store.subscribe(how);
  // The last `id:` that the reader was sent: where it would resume.
  std::optional<std::uint64_t> told = how.after;
  std::optional<clock::time_point> told_caught_up;
  bool at_end = false;      // all that is there has been given
  bool owes_a_word = true;  // and the reader has not been told so since the last event
  std::string text = "retry: 1000\n\n";
  while (!me->stopping && !me->gone) {
    if (!text.empty()) {
      std::string message = std::exchange(text, {});
      co_await write(std::move(message));
      continue;
    }
    const auto due = [&] { return at_end && (owes_a_word || events.at() != told); };
    const auto next_word = told_caught_up ? *told_caught_up + caught_up_every : clock::now();
    const std::chrono::milliseconds quiet = in.how.quiet_max;
    const std::chrono::milliseconds longest =
        due() ? std::clamp(std::chrono::ceil<std::chrono::milliseconds>(next_word - clock::now()),
                           std::chrono::milliseconds(1), quiet)
              : quiet;
    const bool was_due = due();
    const std::optional<nori::event_batch> batch = co_await next_or_woken(me, events, longest);
    if (me->stopping || me->gone) break;
    if (batch) {
      for (const nori::recorded_event& each : batch->events) {
        add_message(text, each);
        told = each.global_position;
      }
      counted->taken = batch->through ? *batch->through + 1 : 0;
      owes_a_word = owes_a_word || !batch->events.empty();
      at_end = batch->caught_up;
    } else if (!was_due) {
      text = ": alive\n\n";
    }
    if (due() && clock::now() >= next_word) {
      told = events.at();
      text += caught_up(told);
      told_caught_up = clock::now();
      owes_a_word = false;
    }
  }
  if (me->stopping && !me->gone) {
    std::string message = ": stopping\n\n";
    co_await write(std::move(message));
  }
}

}  // namespace account_server
