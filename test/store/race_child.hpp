#ifndef NORI_TEST_STORE_RACE_CHILD_HPP
#define NORI_TEST_STORE_RACE_CHILD_HPP

#include <boost/asio/co_spawn.hpp>

#include <array>
#include <cstdint>
#include <exception>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "store/kill_child.hpp"
#include "support/child_process.hpp"

// A process whose writers race for the same few streams until it is killed.

namespace nori::store_test::races {

using kills::id_of;
using nori::test::child_program;
using nori::test::tell_parent;

inline constexpr std::size_t racers = 6;
inline constexpr std::size_t streams = 3;

// Revisions as they are told: one that is there, or
inline constexpr std::int64_t no_stream = -1;
inline constexpr std::int64_t any_revision = -2;
inline constexpr std::int64_t some_stream = -3;

inline std::string stream_name(std::size_t stream) { return numbered("race-", stream); }

/// One append as it is told before it is made.
struct race_attempt {
  std::size_t writer = 0;
  std::uint64_t number = 0;
  std::size_t stream = 0;
  std::int64_t expected = any_revision;
  std::size_t events = 1;

  [[nodiscard]] std::string text() const {
    std::ostringstream to;
    to << writer << ' ' << number << ' ' << stream << ' ' << expected << ' ' << events;
    return to.str();
  }
  static race_attempt from(std::istream& in) {
    race_attempt what;
    in >> what.writer >> what.number >> what.stream >> what.expected >> what.events;
    return what;
  }
};

/// Bugs that the checks must find.
enum class race_bug : std::uint8_t {
  none,
  blind,  ///< an expected revision is not compared
  stale,  ///< a conflict tells of an older revision
  late,   ///< a head is told that was read before the question
};

struct race_instructions {
  std::string dir;
  std::string policy;
  std::uint64_t seed = 0;
  std::uint64_t first_number = 0;
  race_bug bug = race_bug::none;
  std::vector<race_attempt> again;  ///< what was in doubt

  [[nodiscard]] std::vector<std::string> arguments() const {
    std::vector<std::string> all{dir, policy, std::to_string(seed), std::to_string(first_number),
                                 std::to_string(static_cast<int>(bug))};
    for (const race_attempt& each : again) all.push_back(each.text());
    return all;
  }
  static race_instructions from(const std::vector<std::string>& arguments) {
    race_instructions read;
    read.dir = arguments.at(0);
    read.policy = arguments.at(1);
    read.seed = std::stoull(arguments.at(2));
    read.first_number = std::stoull(arguments.at(3));
    read.bug = static_cast<race_bug>(std::stoi(arguments.at(4)));
    for (std::size_t i = 5; i < arguments.size(); ++i) {
      std::istringstream text(arguments[i]);
      read.again.push_back(race_attempt::from(text));
    }
    return read;
  }
};

inline std::int64_t told(const std::optional<std::uint64_t>& revision) {
  return revision ? static_cast<std::int64_t>(*revision) : no_stream;
}

inline expected_revision expected_of(std::int64_t told) {
  switch (told) {
    case any_revision:
      return expected_revision::any();
    case some_stream:
      return expected_revision::stream_exists();
    case no_stream:
      return expected_revision::no_stream();
    default:
      return expected_revision::exact(static_cast<std::uint64_t>(told));
  }
}

inline asio::awaitable<append_result> make(event_store* store, race_attempt what, race_bug bug) {
  std::vector<event> events;
  for (std::size_t i = 0; i < what.events; ++i) {
    event one("raced", std::string(30 * (what.number % 7), 'r'));
    one.id = id_of(
        {static_cast<std::uint32_t>(what.writer), static_cast<std::uint32_t>(i), what.number});
    events.push_back(std::move(one));
  }
  const expected_revision expected =
      bug == race_bug::blind ? expected_revision::any() : expected_of(what.expected);
  const std::string stream = stream_name(what.stream);
  const std::span<const event> all(events);
  co_return co_await store->append(stream, expected, all);
}

// It tells what it is about to do, and then what came of it:
//   ? ATTEMPT          ! WRITER NUMBER GLOBAL REVISION REPEATED    an append
//                      x WRITER NUMBER REVISION                    it conflicted with that
//   r WRITER STREAM    R WRITER REVISION                           a stream's head is read
inline asio::awaitable<void> race(event_store* store, race_instructions given, std::size_t writer) {
  std::mt19937_64 random(given.seed + writer);
  std::array<std::int64_t, streams> heads;
  heads.fill(no_stream);
  std::optional<race_attempt> again;
  for (const race_attempt& each : given.again) {
    if (each.writer == writer) again = each;
  }
  for (std::uint64_t n = given.first_number;; ++n) {
    race_attempt what;
    what.writer = writer;
    what.number = n;
    what.stream = random() % streams;
    what.events = 1 + random() % 3;
    std::int64_t& head = heads[what.stream];
    const std::string name = stream_name(what.stream);
    if (random() % 3 == 0) {
      if (given.bug != race_bug::late) {
        tell_parent("r " + std::to_string(writer) + " " + std::to_string(what.stream) + "\n");
      }
      const std::optional<std::uint64_t> found = co_await store->head(name);
      if (given.bug == race_bug::late) {
        co_await store->sync();
        tell_parent("r " + std::to_string(writer) + " " + std::to_string(what.stream) + "\n");
      }
      head = told(found);
      tell_parent("R " + std::to_string(writer) + " " + std::to_string(head) + "\n");
    }
    switch (random() % 12) {
      case 0:
        what.expected = any_revision;
        break;
      case 1:
        what.expected = some_stream;
        break;
      case 2:
        what.expected = no_stream;
        break;
      default:
        what.expected = head;
    }
    if (again) what = *again;
    again.reset();
    tell_parent("? " + what.text() + "\n");
    const append_result result = co_await make(store, what, given.bug);
    std::ostringstream text;
    if (result) {
      text << "! " << writer << ' ' << what.number << ' ' << result->first_global_position << ' '
           << result->first_revision << ' ' << result->repeated << '\n';
      heads[what.stream] = static_cast<std::int64_t>(result->last_revision);
    } else {
      if (result.error().what != conflict::kind::wrong_revision) {
        throw std::runtime_error(result.error().message());
      }
      std::int64_t found = told(result.error().revision);
      heads[what.stream] = found;
      if (given.bug == race_bug::stale && found > 0) --found;
      text << "x " << writer << ' ' << what.number << ' ' << found << '\n';
    }
    tell_parent(text.str());
  }
}

inline const child_program races_for_streams(
    "races_for_streams", [](const std::vector<std::string>& arguments) {
      asio::io_context io;
      const race_instructions given = race_instructions::from(arguments);
      event_store::opened opened =
          run(io, event_store::open(kills::config_of(given.dir, given.policy)));
      for (std::size_t w = 0; w < racers; ++w) {
        asio::co_spawn(io, race(&opened.store, given, w), [](std::exception_ptr error) {
          if (error) std::rethrow_exception(error);
        });
      }
      io.restart();
      std::thread second([&io] { io.run(); });
      io.run();
      second.join();
      return 0;
    });

}  // namespace nori::store_test::races

#endif
