#ifndef NORI_TEST_STORE_KILL_CYCLES_HPP
#define NORI_TEST_STORE_KILL_CYCLES_HPP

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <nori/store/snapshots.hpp>

#include "store/kill_child.hpp"
#include "support/child_process.hpp"
#include "support/violation.hpp"

// A store that is killed over and over: what the child told, and what is there.

namespace nori::store_test::kills {

using nori::test::child_process;
using nori::test::must;

struct done {
  std::size_t writer = 0;
  std::size_t number = 0;
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t revision = 0;
};

/// Told before it was done, and again afterwards.
struct twofold {
  std::optional<std::uint64_t> meant;
  std::optional<std::uint64_t> made;

  void check(const std::optional<std::uint64_t>& found) {
    must(found == made || found == meant);
    made = meant = found;
  }
};

struct account {
  std::map<std::size_t, attempt> pending;   ///< by writer: told, and not that it was done
  std::map<std::size_t, attempt> finished;  ///< the last one of each that was done
  std::vector<done> appends;
  twofold checkpoint;
  std::map<std::pair<std::size_t, std::size_t>, twofold> snapshots;
  std::uint64_t delete_before = 0;
  std::uint64_t first = 0;

  void take(const std::string& text) {
    std::istringstream lines(text.substr(0, text.rfind('\n') + 1));
    std::string line;
    while (std::getline(lines, line)) {
      std::istringstream words(line.substr(1));
      std::pair<std::size_t, std::size_t> place;
      std::uint64_t value = 0;
      switch (line.front()) {
        case '?': {
          const attempt what = attempt::from(words);
          pending[what.writer] = what;
          break;
        }
        case '!': {
          done what;
          words >> what.writer >> what.number >> what.first >> what.last >> what.revision;
          must(pending.at(what.writer).number == what.number);
          finished[what.writer] = pending.at(what.writer);
          pending.erase(what.writer);
          appends.push_back(what);
          break;
        }
        case 'c':
          checkpoint.meant.emplace();
          words >> *checkpoint.meant;
          break;
        case 'C':
          checkpoint.made = checkpoint.meant;
          break;
        case 's':
          words >> place.first >> place.second >> value;
          snapshots[place].meant = value;
          break;
        case 'S':
          words >> place.first >> place.second;
          snapshots[place].made = snapshots[place].meant;
          break;
        case 'd':
          words >> value;
          delete_before = std::max(delete_before, value);
          break;
        case 'D':
          words >> first;
          break;
        default:
          throw nori::test::violation("the child said: " + line);
      }
      must(!words.fail());
    }
  }
};

/// What was ever found in the store, and that it must hold from then on.
class findings {
 public:
  /// Those that are new follow those that are known, each append whole and once. Events before
  /// `first` are deleted.
  void take(const std::vector<found>& events, std::uint64_t first) {
    must(first >= first_);
    must(first <= end());
    while (first_ < first) {
      kept_.pop_front();
      ++first_;
    }
    std::uint64_t global = first;
    for (const found& each : events) {
      must(each.global == global);
      if (global < end()) {
        must(each == at(global));
      } else {
        add(each);
      }
      ++global;
    }
    must(global == end());
    must(!half_);
  }

  /// Events that are not deleted.
  [[nodiscard]] const std::deque<found>& kept() const { return kept_; }
  [[nodiscard]] std::uint64_t first() const { return first_; }
  [[nodiscard]] std::uint64_t end() const { return first_ + kept_.size(); }
  [[nodiscard]] const found& at(std::uint64_t global) const { return kept_.at(global - first_); }
  /// The global position of an event that is there, near the end.
  [[nodiscard]] std::uint64_t place_of(const uuid& id) const {
    const auto behind = std::find_if(kept_.rbegin(), kept_.rend(),
                                     [&](const found& each) { return each.id == id; });
    must(behind != kept_.rend());
    return behind->global;
  }
  [[nodiscard]] std::size_t appends_of(std::size_t writer) const { return next_[writer]; }
  [[nodiscard]] std::optional<std::uint64_t> head(const std::string& stream) const {
    const auto found = streams_.find(stream);
    if (found == streams_.end()) return std::nullopt;
    return found->second - 1;
  }
  /// How many events each stream ever had.
  [[nodiscard]] const std::map<std::string, std::uint64_t>& streams() const { return streams_; }
  /// The global position of the last event that counted.
  [[nodiscard]] std::optional<std::uint64_t> last_of(const std::string& counter) const {
    const auto found = counters_.find(counter);
    if (found == counters_.end()) return std::nullopt;
    return found->second.second;
  }

 private:
  void add(const found& each) {
    const origin of = origin_of(each.id);
    must(of.writer < writers);
    const plan by(of.writer, of.number);
    // The next append of its writer, or what follows within one.
    if (half_) {
      must(half_->writer == of.writer && half_->number == of.number);
      must(of.index == half_->index + 1);
    } else {
      must(of.index == 0u);
      must(of.number == next_[of.writer]);
      ++next_[of.writer];
    }
    half_ = of;
    if (of.index + 1 == by.events()) half_.reset();
    std::uint64_t count = 0;
    if (by.what == kind::count) {
      const auto last = counters_.find(by.counter());
      count = last == counters_.end() ? 0 : last->second.first + 1;
      counters_[by.counter()] = {count, each.global};
    }
    event made = event_of(by, of.index, count);
    std::sort(made.tags.begin(), made.tags.end());
    must(each.stream == by.stream_of(of.index));
    must(each.revision == streams_[each.stream]++);
    must(each.type == made.type);
    must(each.data == made.data);
    must(each.metadata == made.metadata);
    must(each.tags == made.tags);
    must(each.version == made.version);
    must(each.correlation_id == made.correlation_id);
    must(each.causation_id == made.causation_id);
    must(each.at >= latest_);
    latest_ = each.at;
    kept_.push_back(each);
  }

  std::deque<found> kept_;
  std::uint64_t first_ = 0;
  event_time latest_{};
  std::array<std::size_t, writers> next_{};
  std::optional<origin> half_;
  std::map<std::string, std::uint64_t> streams_;
  /// The last number, and the global position of its event.
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> counters_;
};

/// Planted: what is told as done, and was never begun.
enum class lie : std::uint8_t { none, append, checkpoint, snapshot };

inline std::string told_by(lie planted) {
  attempt what;
  // Far ahead of every writer; and at the beginning, where there are others.
  what.number = 1'000'000;
  const std::string last = std::to_string(plan(what.writer, what.number).events() - 1);
  switch (planted) {
    case lie::none:
      break;
    case lie::append:
      return "? " + what.text() + "\n! " + std::to_string(what.writer) + " 1000000 0 " + last +
             " 0\n";
    case lie::checkpoint:
      return "c 1000000\nC 1000000\n";
    case lie::snapshot:
      return "s 0 0 1000000\nS 0 0 1000000\n";
  }
  return {};
}

/// A store in one directory that is killed over and over.
class torture {
 public:
  torture(std::string policy, random_source& random)
      : policy_(std::move(policy)), dir_(scratch_.path().string()), random_(random) {}

  void live_and_die(lie planted = lie::none) {
    instructions told;
    told.dir = dir_;
    told.policy = policy_;
    told.seed = random_();
    told.known = known_.end();
    for (std::size_t w = 0; w < writers; ++w) told.first[w] = known_.appends_of(w);
    for (const attempt& each : again_) {
      told.first[each.writer] = each.number;
      told.again.push_back(each);
    }
    again_.clear();
    {
      child_process child("uses_a_store", told.arguments());
      std::string text;
      // While it opens, a short while later, or when it has rotated and deleted a lot.
      constexpr std::size_t bytes[] = {0, 3000, 100'000};
      const std::size_t enough = random_.below(1 + bytes[random_.below(3)]);
      if (enough == 0) {
        std::this_thread::sleep_for(std::chrono::microseconds(random_.below(12'000)));
      }
      while (text.size() < enough && child.read_some(text)) {
      }
      child.kill();
      must(child.wait() == -SIGKILL);
      text += child.read_rest();
      account_.take(text);
      account_.take(told_by(planted));
    }
    ++kills;
    check();
  }

  std::size_t kills = 0;
  std::size_t acknowledged = 0;
  std::size_t in_doubt = 0;

  [[nodiscard]] std::size_t events() const { return known_.end(); }
  [[nodiscard]] std::uint64_t deleted() const { return known_.first(); }

 private:
  void check() {
    asio::io_context io;
    event_store::opened opened = run(io, event_store::open(config_of(dir_, policy_)));
    event_store store = std::move(opened.store);
    const std::uint64_t first = store.first_global_position();
    must(first >= account_.first);
    must(first <= account_.delete_before);
    account_.first = first;
    known_.take(read(io, store.read_all()), first);
    must(store.next_global_position() == known_.end());
    check_acknowledged();
    check_reads(io, store);
    const auto checkpoint = run(io, store.load_checkpoint(checkpoint_name));
    account_.checkpoint.check(checkpoint);
    if (checkpoint) must(*checkpoint < known_.end());
    check_snapshots(io);
    repeat(io, store);
    if (random_.below(3) != 0) {
      run(io, store.close());
    } else {
      store = event_store();
    }
    io.restart();
    io.run();
  }

  static std::vector<found> read(asio::io_context& io, event_reader reader) {
    return run(io, read_rest(&reader));
  }

  void check_acknowledged() {
    for (const done& each : account_.appends) {
      const plan by(each.writer, each.number);
      must(each.last < known_.end());
      must(each.last - each.first + 1 == by.events());
      for (std::size_t i = 0; i < by.events(); ++i) {
        const origin of = origin_of(known_.at(each.first + i).id);
        must(of.writer == each.writer && of.number == each.number && of.index == i);
      }
      must(known_.at(each.first).revision == each.revision);
    }
    acknowledged += account_.appends.size();
    account_.appends.clear();
    // Each writer has one append under way at most.
    for (std::size_t w = 0; w < writers; ++w) {
      const auto pending = account_.pending.find(w);
      if (pending == account_.pending.end()) continue;
      must(known_.appends_of(w) >= pending->second.number);
      must(known_.appends_of(w) <= pending->second.number + 1);
    }
  }

  // However it is asked, the store says what a scan of it says.
  void check_reads(asio::io_context& io, const event_store& store) {
    const auto wanted = [&](auto matches) {
      std::vector<found> some;
      for (const found& each : known_.kept()) {
        if (matches(each)) some.push_back(each);
      }
      return some;
    };
    const auto order = random_.below(2) == 0 ? direction::forwards : direction::backwards;
    const auto check_all = [&](const query& what, auto matches) {
      read_events how;
      how.order = order;
      how.filter.matching = what;
      std::vector<found> got = read(io, store.read_all(how));
      if (order == direction::backwards) std::reverse(got.begin(), got.end());
      must(got == wanted(matches));
    };
    for (const auto& [name, count] : known_.streams()) {
      read_events how;
      how.order = order;
      std::vector<found> got = read(io, store.read_stream(name, how));
      if (order == direction::backwards) std::reverse(got.begin(), got.end());
      must(got == wanted([&](const found& each) { return each.stream == name; }));
      must(run(io, store.head(name)) == count - 1);
    }
    for (std::size_t i = 0; i < 3; ++i) {
      const std::string type = numbered("type-", i);
      check_all(query::of_types({type}), [&](const found& each) { return each.type == type; });
    }
    std::vector<std::string> tags;
    for (std::size_t i = 0; i < 5; ++i) tags.push_back(numbered("tag-", i));
    for (std::size_t i = 0; i < counters; ++i) tags.push_back(numbered("counter-", i));
    for (const std::string& tag : tags) {
      check_all(query::with_tags({tag}), [&](const found& each) {
        return std::find(each.tags.begin(), each.tags.end(), tag) != each.tags.end();
      });
    }
  }

  void check_snapshots(asio::io_context& io) {
    snapshot_store snapshots =
        run(io, snapshot_store::open(snapshot_config(std::filesystem::path(dir_) / "snapshots")));
    for (auto& [place, revision] : account_.snapshots) {
      const std::string stream = snapshot_of(place.first, place.second, 0).stream;
      const found_snapshot one = run(io, snapshots.load(stream, 3));
      revision.check(one.latest ? std::optional(one.latest->revision) : std::nullopt);
      if (!one.latest) continue;
      must(one.latest->revision <= known_.head(stream).value());
      must((one.latest->data == snapshot_of(place.first, place.second, one.latest->revision).data));
    }
  }

  // Whether what it took for granted is so.
  [[nodiscard]] bool holds(const attempt& what) const {
    const plan by(what.writer, what.number);
    if (by.what == kind::several || by.what == kind::shared) {
      return known_.head(by.common_stream()) == what.common;
    }
    if (by.what != kind::count) return true;
    const auto last = known_.last_of(by.counter());
    return !last || (what.after && *last <= *what.after);
  }

  // Each append that is in doubt is made once more, here or by the next child, and some of those
  // that were acknowledged: once is enough.
  void repeat(asio::io_context& io, event_store& store) {
    for (const auto& [writer, what] : account_.pending) {
      ++in_doubt;
      if (!is_recognised(io, store, what)) continue;
      if (random_.below(2) == 0) {
        again_.push_back(what);
      } else {
        repeat(io, store, what);
      }
    }
    for (const auto& [writer, what] : account_.finished) {
      if (random_.below(4) != 0 || !is_recognised(io, store, what)) continue;
      repeat(io, store, what);
    }
    account_.pending.clear();
    account_.finished.clear();
  }

  void repeat(asio::io_context& io, event_store& store, const attempt& what) {
    const plan by(what.writer, what.number);
    const bool there = is_there(what);
    const bool possible = holds(what);
    const std::size_t appends = known_.appends_of(what.writer);
    const append_result result = run(io, make(&store, what));
    if (there) {
      must(result.has_value());
      must(result->repeated);
      const std::uint64_t first = known_.place_of(first_id_of(what));
      must(result->first_global_position == first);
      must(result->last_global_position == first + by.events() - 1);
      must(result->first_revision == known_.at(first).revision);
    } else {
      must(result.has_value() == possible);
      if (result) must(!result->repeated);
    }
    known_.take(read(io, store.read_all()), known_.first());
    must(known_.appends_of(what.writer) == appends + (!there && result ? 1 : 0));
  }

  [[nodiscard]] bool is_there(const attempt& what) const {
    return known_.appends_of(what.writer) > what.number;
  }
  static uuid first_id_of(const attempt& what) {
    return id_of({static_cast<std::uint32_t>(what.writer), 0, what.number});
  }
  // `any` goes by the ids that are remembered: those of the newest segment.
  bool is_recognised(asio::io_context& io, const event_store& store, const attempt& what) const {
    if (plan(what.writer, what.number).what != kind::any || !is_there(what)) return true;
    return in_newest_segment(io, store, known_.place_of(first_id_of(what)));
  }

  static bool in_newest_segment(asio::io_context& io, const event_store& store,
                                std::uint64_t global) {
    read_events how;
    how.from = global;
    event_reader reader = store.read_all(how);
    const std::uint64_t segment = run(io, reader.next())->at.segment_id;
    how.from.reset();
    how.order = direction::backwards;
    event_reader newest = store.read_all(how);
    return run(io, newest.next())->at.segment_id == segment;
  }

  scratch_directory scratch_;
  const std::string policy_;
  const std::string dir_;
  random_source& random_;
  findings known_;
  account account_;
  std::vector<attempt> again_;
};

}  // namespace nori::store_test::kills

#endif
