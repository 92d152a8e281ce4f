#ifndef NORI_TEST_STORE_RACE_HISTORY_HPP
#define NORI_TEST_STORE_RACE_HISTORY_HPP

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "store/race_child.hpp"
#include "support/violation.hpp"

namespace nori::store_test::races {

using kills::origin;
using kills::origin_of;
using nori::test::must;

/// What racing writers told, and whether the store can be what came of it: each append and each
/// look at a head happened at one moment between its call and its return.
///
/// Who asks for a head, and who conflicts, sees what an append would see: also appends that are
/// under way. Where those go with the killed process, so does whoever was told of them.
class race_history {
 public:
  using moment = std::uint64_t;
  static constexpr moment never = std::numeric_limits<moment>::max();

  /// What one process told. What it was about to do when it ended is in doubt.
  void take(const std::string& text) {
    std::istringstream lines(text.substr(0, text.rfind('\n') + 1));
    std::string line;
    while (std::getline(lines, line)) take_line(line);
    ++now_;
    for (auto& [writer, what] : pending_) {
      ++in_doubt;
      doubtful_.push_back(what);
      // It had its effect by now, or never will, unless it is made again.
      appends_.at({writer, what.number}).returned = now_;
    }
    pending_.clear();
    looking_.clear();
  }
  /// Those of the last process that are in doubt, to be made again by the next one.
  [[nodiscard]] std::vector<race_attempt> take_doubtful() { return std::exchange(doubtful_, {}); }

  /// Against everything that is in the store after a life.
  void check(const std::vector<found>& events) {
    place(events);
    life_end ended;
    for (std::size_t i = 0; i < streams; ++i) ended.events[i] = in_streams_[i].size();
    for (const race_attempt& each : doubtful_) {
      const append& one = appends_.at({each.writer, each.number});
      if (one.found_events == 0) ended.lost.push_back({each.stream, one.called, each.events});
    }
    lives_.push_back(std::move(ended));
    for (const auto& [key, what] : appends_) check(what);
    for (const look& each : looks_) {
      if (!could_be(each.stream, each.revision, each.called, each.returned, each.life)) {
        throw nori::test::violation("a head was read that the stream did not have then: " +
                                    told(each));
      }
    }
    check_order();
  }

  std::uint64_t done = 0;
  std::uint64_t conflicts = 0;
  std::uint64_t in_doubt = 0;

 private:
  enum class outcome : std::uint8_t { in_doubt, done, conflict };
  struct append {
    race_attempt what;
    moment called = 0;
    moment returned = never;
    outcome came = outcome::in_doubt;
    std::uint64_t global = 0;
    std::int64_t revision = 0;  ///< of its first event; or found, by a conflict
    std::size_t life = 0;       ///< in which it returned
    // As they are in the store.
    std::size_t found_events = 0;
    std::uint64_t found_global = 0;
    std::int64_t found_revision = 0;
  };
  struct look {
    std::size_t stream = 0;
    std::int64_t revision = 0;
    moment called = 0;
    moment returned = 0;
    std::size_t life = 0;
  };
  /// What was there when a process had been killed, and what went with it.
  struct life_end {
    struct lost_append {
      std::size_t stream;
      moment called;
      std::size_t events;
    };
    std::array<std::size_t, streams> events{};
    std::vector<lost_append> lost;
  };
  using key = std::pair<std::size_t, std::uint64_t>;

  void take_line(const std::string& line) {
    std::istringstream words(line.substr(1));
    std::size_t writer = 0;
    std::uint64_t number = 0;
    ++now_;
    switch (line.front()) {
      case '?': {
        const race_attempt what = race_attempt::from(words);
        append& one = appends_[{what.writer, what.number}];
        // One that is made again may have had its effect the first time.
        if (one.called == 0) one.called = now_;
        one.what = what;
        one.returned = never;
        pending_[what.writer] = what;
        break;
      }
      case '!': {
        words >> writer >> number;
        append& one = appends_.at({writer, number});
        bool repeated = false;
        words >> one.global >> one.revision >> repeated;
        one.came = outcome::done;
        one.returned = now_;
        pending_.erase(writer);
        ++done;
        break;
      }
      case 'x': {
        words >> writer >> number;
        append& one = appends_.at({writer, number});
        words >> one.revision;
        one.came = outcome::conflict;
        one.life = lives_.size();
        one.returned = now_;
        pending_.erase(writer);
        ++conflicts;
        break;
      }
      case 'r':
        words >> writer;
        words >> looking_[writer].stream;
        looking_[writer].called = now_;
        break;
      case 'R': {
        words >> writer;
        look& one = looking_.at(writer);
        words >> one.revision;
        one.returned = now_;
        one.life = lives_.size();
        looks_.push_back(one);
        looking_.erase(writer);
        break;
      }
      default:
        throw nori::test::violation("the child said: " + line);
    }
    must(!words.fail(), "the child told half a line");
  }

  // Revisions and global positions are dense, and each event is of an append that was called, whole
  // and once.
  void place(const std::vector<found>& events) {
    for (auto& in : in_streams_) in.clear();
    for (auto& [where, what] : appends_) what.found_events = 0;
    std::uint64_t global = 0;
    for (const found& each : events) {
      must(each.global == global++, "global positions are not dense");
      const origin of = origin_of(each.id);
      const auto by = appends_.find({of.writer, of.number});
      must(by != appends_.end(), "an event that nobody appended");
      append& what = by->second;
      must(each.stream == stream_name(what.what.stream), "an event is in another stream");
      auto& stream = in_streams_[what.what.stream];
      must(each.revision == stream.size(), "revisions are not dense");
      if (of.index != what.found_events) {
        throw nori::test::violation(
            "an append is there twice, or half: it expected " + std::to_string(what.what.expected) +
            ", at " + std::to_string(each.global) + " is event " + std::to_string(of.index) +
            " of it, " + std::to_string(what.found_events) + " were expected there");
      }
      if (what.found_events++ == 0) {
        what.found_global = each.global;
        what.found_revision = static_cast<std::int64_t>(each.revision);
      } else {
        must(stream.back() == &what, "an append is torn apart");
      }
      stream.push_back(&what);
    }
    for (const auto& [where, what] : appends_) {
      must(what.found_events == 0 || what.found_events == what.what.events,
           "an append is there in part, or twice");
    }
  }

  void check(const append& one) const {
    const std::int64_t expected = one.what.expected;
    if (one.found_events != 0) {
      must(one.came != outcome::conflict, "a conflict had an effect");
      const std::int64_t first = one.found_revision;
      must(
          expected == any_revision || (expected == some_stream ? first > 0 : first == expected + 1),
          "an append had an effect at a revision that it did not expect");
    }
    if (one.came == outcome::done) {
      must(one.found_events != 0, "an acknowledged append is lost");
      must(one.found_global == one.global && one.found_revision == one.revision,
           "an append is not where it was said to be");
    }
    if (one.came == outcome::conflict) {
      must(expected != any_revision, "a conflict with nothing");
      must(expected == some_stream ? one.revision == no_stream : one.revision != expected,
           "a conflict with what was expected");
      must(could_be(one.what.stream, one.revision, one.called, one.returned, one.life),
           "a conflict with what was not there");
    }
  }

  [[nodiscard]] std::string told(const look& of) const {
    std::ostringstream to;
    to << stream_name(of.stream) << " at " << of.revision << ", asked at " << of.called << '-'
       << of.returned << "; it has";
    const auto& stream = in_streams_[of.stream];
    for (auto r = std::max<std::int64_t>(0, of.revision - 1);
         r < static_cast<std::int64_t>(stream.size()) && r <= of.revision + 2; ++r) {
      const append& one = *stream[static_cast<std::size_t>(r)];
      to << ' ' << r << " of " << one.called << '-' << one.returned << ',';
    }
    to << " ends at " << stream.size();
    return to.str();
  }

  /// Whether that was the stream's last revision at a moment in between.
  [[nodiscard]] bool could_be(std::size_t in, std::int64_t revision, moment from, moment to,
                              std::size_t life) const {
    const auto& stream = in_streams_[in];
    const life_end& ended = lives_.at(life);
    const std::size_t kept = ended.events[in];
    auto next = static_cast<std::size_t>(revision + 1);
    if (next > kept) {
      std::size_t lost = 0;
      for (const auto& each : ended.lost) {
        if (each.stream == in && each.called < to) lost += each.events;
      }
      if (next > kept + lost) return false;
      next = kept;
    }
    if (next != 0 && stream[next - 1]->called > to) return false;
    if (next == kept) return true;
    if (next != 0 && stream[next] == stream[next - 1]) return false;
    return stream[next]->returned > from;
  }

  // Who returned before another was called comes before it in the log.
  void check_order() const {
    std::map<std::uint64_t, const append*> by_place;
    for (const auto& [where, what] : appends_) {
      if (what.found_events != 0) by_place[what.found_global] = &what;
    }
    moment earliest_return = never;
    for (auto it = by_place.rbegin(); it != by_place.rend(); ++it) {
      must(it->second->called < earliest_return, "an append was overtaken by a later one");
      earliest_return = std::min(earliest_return, it->second->returned);
    }
  }

  moment now_ = 0;
  std::map<key, append> appends_;
  std::map<std::size_t, race_attempt> pending_;  ///< by writer
  std::map<std::size_t, look> looking_;
  std::vector<look> looks_;
  std::vector<race_attempt> doubtful_;
  std::array<std::vector<const append*>, streams> in_streams_;
  std::vector<life_end> lives_;
};

/// A store in one directory whose writers are killed while they race.
class raced_store {
 public:
  raced_store(std::string policy, random_source& random, race_bug bug = race_bug::none)
      : scratch_(random.below(2) == 0 ? nori::test::memory_directory()
                                      : std::filesystem::temp_directory_path()),
        policy_(std::move(policy)),
        bug_(bug),
        random_(random) {}

  /// Throws nori::test::violation where what came of it can't be.
  void live_and_die() {
    race_instructions given;
    given.dir = scratch_.path().string();
    given.policy = policy_;
    given.seed = random_();
    given.first_number = ++lives_ << 32;
    given.bug = bug_;
    for (const race_attempt& each : history.take_doubtful()) {
      if (random_.below(2) == 0) given.again.push_back(each);
    }
    std::string text;
    {
      nori::test::child_process child("races_for_streams", given.arguments());
      const std::size_t enough = random_.below(40'000);
      while (text.size() < enough && child.read_some(text)) {
      }
      child.kill();
      must(child.wait() == -SIGKILL, "it ended before it was killed");
      text += child.read_rest();
    }
    history.take(text);
    ++kills;
    asio::io_context io;
    event_store::opened opened = run(io, event_store::open(kills::config_of(given.dir, policy_)));
    event_reader reader = opened.store.read_all();
    history.check(run(io, read_rest(&reader)));
    run(io, opened.store.close());
    io.restart();
    io.run();
  }

  race_history history;
  std::uint64_t kills = 0;

 private:
  scratch_directory scratch_;
  const std::string policy_;
  const race_bug bug_;
  random_source& random_;
  std::uint64_t lives_ = 0;
};

}  // namespace nori::store_test::races

#endif
