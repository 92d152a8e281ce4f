// The store against a plain model in memory: what is appended, read, asked for and refused.

#include <algorithm>
#include <map>
#include <set>

#include <nori/error.hpp>

#include "store/store_test.hpp"

namespace nori::store_test {
namespace {

struct expected_store {
  std::vector<found> events;  ///< by global position
  std::map<std::string, std::vector<std::uint64_t>> streams;
  std::uint64_t first = 0;  ///< events before are deleted

  [[nodiscard]] std::optional<std::uint64_t> head(const std::string& stream) const {
    const auto at = streams.find(stream);
    if (at == streams.end()) return std::nullopt;
    return at->second.size() - 1;
  }
  [[nodiscard]] static bool matches(const query& what, const found& each) {
    if (what.items.empty()) return true;
    for (const query_item& item : what.items) {
      const bool type =
          item.types.empty() || std::count(item.types.begin(), item.types.end(), each.type) != 0;
      const bool tags = std::all_of(item.tags.begin(), item.tags.end(), [&](const auto& tag) {
        return std::count(each.tags.begin(), each.tags.end(), tag) != 0;
      });
      if (type && tags) return true;
    }
    return false;
  }
  [[nodiscard]] std::vector<found> read(const std::string& stream, const read_events& how) const {
    std::uint64_t end = events.size();
    if (how.as_of_position) end = std::min(end, *how.as_of_position + 1);
    std::vector<found> all;
    for (const found& each : events) {
      if (each.global < first || each.global >= end) continue;
      if (how.as_of_time && each.at > *how.as_of_time) continue;
      if (!stream.empty() && each.stream != stream) continue;
      if (stream.empty() && !each.stream.starts_with(how.filter.stream_prefix)) continue;
      if (!matches(how.filter.matching, each)) continue;
      const std::uint64_t place = stream.empty() ? each.global : each.revision;
      const bool forwards = how.order == direction::forwards;
      if (how.from && (forwards ? place < *how.from : place > *how.from)) continue;
      all.push_back(each);
    }
    if (how.order == direction::backwards) std::reverse(all.begin(), all.end());
    if (all.size() > how.limit)
      all.erase(all.begin() + static_cast<std::ptrdiff_t>(how.limit), all.end());
    return all;
  }
};

class comparison {
 public:
  explicit comparison(fsync_policy policy) : store_(policy) {
    store_.options.clock = [this] { return now_; };
    store_.options.repeat_window_events = 64;
    store_.open();
  }

  void step() {
    switch (random_.below(24)) {
      case 0:
        store_.close_and_open();
        break;
      case 1:
        if (random_.below(2) == 0) store_.reopen();
        break;
      case 2:
        erase();
        break;
      case 3:
      case 4:
        read_some_stream();
        break;
      case 5:
      case 6:
      case 7:
        read_all();
        break;
      case 8:
        list();
        break;
      case 9:
        append_under_condition();
        break;
      case 10:
        append_to_several();
        break;
      default:
        append();
    }
    BOOST_REQUIRE(store_->next_global_position() == model_.events.size());
    BOOST_REQUIRE(store_->first_global_position() == model_.first);
  }

 private:
  std::string some_stream() {
    return numbered("stream-", random_.below(random_.below(2) == 0 ? 4 : 60));
  }
  std::string some_type() { return numbered("type-", random_.below(4)); }
  std::string some_tag() { return numbered("tag-", random_.below(random_.below(2) == 0 ? 3 : 40)); }

  event some_event() {
    event made(some_type(), random_.text(random_.below(random_.below(20) == 0 ? 6000 : 200)));
    std::set<std::string> tags;
    for (std::size_t i = random_.below(4); i != 0; --i) tags.insert(some_tag());
    made.tags.assign(tags.begin(), tags.end());
    made.id = random_uuid();
    return made;
  }
  std::vector<event> some_events() {
    std::vector<event> made;
    for (std::size_t i = 1 + random_.below(random_.below(8) == 0 ? 40 : 3); i != 0; --i) {
      made.push_back(some_event());
    }
    return made;
  }
  expected_revision some_expectation(const std::string& stream) {
    const auto head = model_.head(stream);
    switch (random_.below(6)) {
      case 0:
        return expected_revision::no_stream();
      case 1:
        return expected_revision::stream_exists();
      case 2:
        return expected_revision::exact(random_.below(5));
      case 3:
        return expected_revision::any();
      default:
        return expected_revision::after(head);
    }
  }
  static bool holds(const expected_revision& expected, const std::optional<std::uint64_t>& head) {
    switch (expected.which()) {
      case expected_revision::kind::any:
        return true;
      case expected_revision::kind::no_stream:
        return !head;
      case expected_revision::kind::stream_exists:
        return head.has_value();
      case expected_revision::kind::exact:
        return head == expected.revision();
    }
    return false;
  }
  void record(const std::string& stream, const event& what, event_time at) {
    recorded_event made;
    made.stream = stream;
    auto& globals = model_.streams[stream];
    made.revision = globals.size();
    made.global_position = model_.events.size();
    made.type = what.type;
    made.data = what.data;
    made.id = what.id;
    made.recorded_at = at;
    found& added = model_.events.emplace_back(made);
    added.tags = what.tags;
    globals.push_back(added.global);
    latest_ = at;
  }
  // The clock may go back: recorded times do not.
  event_time tick() {
    now_ += std::chrono::nanoseconds(static_cast<std::int64_t>(random_.below(5)) - 1);
    return std::max(latest_, now_);
  }

  void append() {
    const std::string stream = some_stream();
    const expected_revision expected = some_expectation(stream);
    const std::vector<event> events = some_events();
    const auto head = model_.head(stream);
    const event_time at = tick();
    const append_result result = store_.append(stream, expected, events);
    BOOST_REQUIRE(result.has_value() == holds(expected, head));
    if (!result) {
      BOOST_REQUIRE((result.error().what == conflict::kind::wrong_revision));
      BOOST_REQUIRE((result.error().revision == head));
      return;
    }
    BOOST_REQUIRE(result->first_global_position == model_.events.size());
    BOOST_REQUIRE(result->first_revision == (head ? *head + 1 : 0));
    for (const event& each : events) record(stream, each, at);
    BOOST_REQUIRE(result->last_global_position + 1 == model_.events.size());
    if (random_.below(4) == 0) {
      const append_result again = store_.append(stream, expected, events);
      BOOST_REQUIRE(again.has_value() ==
                    (expected.which() != expected_revision::kind::any || events.size() <= 64));
      BOOST_REQUIRE(again->repeated);
      BOOST_REQUIRE(again->first_global_position == result->first_global_position);
      BOOST_REQUIRE(again->last_revision == result->last_revision);
    }
  }

  void append_to_several() {
    std::set<std::string> names;
    while (names.size() < 3) names.insert(some_stream());
    std::vector<std::vector<event>> events;
    std::vector<std::vector<event_view>> views;
    std::vector<std::vector<std::vector<std::string_view>>> tags(names.size());
    append_request request;
    bool fits = true;
    const std::size_t required = random_.below(3);
    std::size_t number = 0;
    for (const std::string& name : names) {
      const expected_revision expected = random_.below(5) == 0
                                             ? some_expectation(name)
                                             : expected_revision::after(model_.head(name));
      fits = fits && holds(expected, model_.head(name));
      events.push_back(number == required ? std::vector<event>{} : some_events());
      auto& list = views.emplace_back();
      tags[number].reserve(events.back().size());
      for (const event& each : events.back()) {
        auto& its_tags = tags[number].emplace_back(each.tags.begin(), each.tags.end());
        event_view view;
        view.type = each.type;
        view.data = each.data;
        view.id = each.id;
        view.tags = its_tags;
        list.push_back(view);
      }
      ++number;
    }
    number = 0;
    std::vector<expected_revision> unused;
    // Views must not move any more.
    number = 0;
    fits = true;
    for (const std::string& name : names) {
      const expected_revision expected = random_.below(5) == 0
                                             ? some_expectation(name)
                                             : expected_revision::after(model_.head(name));
      fits = fits && holds(expected, model_.head(name));
      if (views[number].empty()) {
        request.require(name, expected);
      } else {
        request.to(name, expected, views[number]);
      }
      ++number;
    }
    const event_time at = tick();
    const append_result result = store_.append(request);
    BOOST_REQUIRE_MESSAGE(result.has_value() == fits,
                          (result ? "appended" : result.error().message()) << ", fits " << fits);
    if (!result) return;
    number = 0;
    for (const std::string& name : names) {
      for (const event& each : events[number]) record(name, each, at);
      ++number;
    }
    BOOST_REQUIRE(result->last_global_position + 1 == model_.events.size());
  }

  query some_query() {
    query made;
    for (std::size_t i = 1 + random_.below(3); i != 0; --i) {
      query_item item;
      for (std::size_t j = random_.below(3); j != 0; --j) item.types.push_back(some_type());
      for (std::size_t j = random_.below(3); j != 0; --j) item.tags.push_back(some_tag());
      made.items.push_back(std::move(item));
    }
    return made;
  }

  void append_under_condition() {
    const std::string stream = some_stream();
    const query what = some_query();
    std::optional<std::uint64_t> after;
    if (random_.below(3) != 0 && !model_.events.empty()) {
      const std::size_t back = random_.below(random_.below(2) == 0 ? 5 : model_.events.size());
      after = model_.events.size() - 1 - std::min(back, model_.events.size() - 1);
    }
    const event added = some_event();
    const std::vector<std::string_view> tags(added.tags.begin(), added.tags.end());
    event_view view;
    view.type = added.type;
    view.data = added.data;
    view.id = added.id;
    view.tags = tags;
    append_request request;
    request.to(stream, expected_revision::any(), {&view, 1}).fail_if_match(what, after);
    std::optional<std::uint64_t> match;
    for (const found& each : model_.events) {
      if (each.global < model_.first || (after && each.global <= *after)) continue;
      if (expected_store::matches(what, each)) {
        match = each.global;
        break;
      }
    }
    const event_time at = tick();
    const append_result result = store_.append(request);
    BOOST_REQUIRE(result.has_value() == !match);
    if (!result) {
      BOOST_REQUIRE((result.error().what == conflict::kind::matching_event));
      BOOST_REQUIRE((result.error().global_position == match));
      return;
    }
    record(stream, added, at);
  }

  read_events some_range(std::uint64_t from_below) {
    read_events how;
    if (random_.below(2) == 0) how.order = direction::backwards;
    if (random_.below(2) == 0) how.from = random_.below(from_below + 2);
    if (random_.below(3) == 0) how.limit = random_.below(30);
    if (random_.below(4) == 0) how.as_of_position = random_.below(model_.events.size() + 3);
    if (random_.below(6) == 0 && !model_.events.empty()) {
      how.as_of_time = model_.events[random_.below(model_.events.size())].at;
    }
    if (random_.below(2) == 0) how.filter.matching = some_query();
    return how;
  }
  void read_some_stream() {
    const std::string stream = some_stream();
    const read_events how = some_range(model_.head(stream).value_or(0));
    compare(store_.read_stream(stream, how), model_.read(stream, how));
    BOOST_REQUIRE((store_.head(stream) == model_.head(stream)));
  }
  void read_all() {
    read_events how = some_range(model_.events.size());
    if (random_.below(4) == 0) how.filter.stream_prefix = numbered("stream-", random_.below(6));
    compare(store_.read_all(how), model_.read({}, how));
  }
  void compare(const std::vector<found>& got, const std::vector<found>& wanted) {
    BOOST_REQUIRE_EQUAL_COLLECTIONS(got.begin(), got.end(), wanted.begin(), wanted.end());
  }
  void list() {
    const std::string prefix =
        numbered("stream-", random_.below(8)).substr(0, 6 + random_.below(4));
    const std::string after = random_.below(2) == 0 ? "" : some_stream();
    const std::size_t limit = random_.below(20);
    std::vector<std::string> wanted;
    for (const auto& [name, globals] : model_.streams) {
      if (globals.back() < model_.first) continue;
      if (name.starts_with(prefix) && name > after && wanted.size() < limit) wanted.push_back(name);
    }
    const auto got = run(store_.io, store_->streams(prefix, after, limit));
    std::vector<std::string> names;
    for (const stream_head& each : got) {
      names.push_back(each.stream);
      BOOST_REQUIRE((model_.head(each.stream) == each.revision));
    }
    BOOST_REQUIRE_EQUAL_COLLECTIONS(names.begin(), names.end(), wanted.begin(), wanted.end());
  }
  void erase() {
    if (model_.events.empty()) return;
    const std::uint64_t before = random_.below(model_.events.size());
    const std::uint64_t first = store_->first_global_position();
    run(store_.io, store_->delete_before(before));
    model_.first = store_->first_global_position();
    BOOST_REQUIRE(model_.first >= first);
    BOOST_REQUIRE(model_.first <= std::max(first, before));
  }

  random_source random_;
  store_in_scratch store_;
  expected_store model_;
  event_time now_{std::chrono::seconds(1'000'000'000)};
  event_time latest_{};
};

}  // namespace

BOOST_AUTO_TEST_SUITE(model_of_the_store)

BOOST_AUTO_TEST_CASE(the_store_does_what_the_model_does) {
  for (const fsync_policy& policy : {fsync_policy::os(), fsync_policy::always(),
                                     fsync_policy::batch(std::chrono::milliseconds(1))}) {
    comparison both(policy);
    for (std::size_t i = scaled(1500); i != 0; --i) both.step();
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::store_test
