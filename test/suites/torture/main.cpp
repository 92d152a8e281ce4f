// nori-torture --suite NAME --seed N --seconds S [--jobs J]
//
// Runs a suite in J processes for about S seconds. Standard output, a line each:
//   progress FRACTION        figure NAME INTEGER        control NAME caught BY_WHAT | missed
// Exit status 0: every promise held, and every planted bug was caught. 1: one was broken; standard
// error says which, and how to repeat it.

#include <sys/prctl.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstring>
#include <iomanip>
#include <iostream>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>
#include <string_view>
#include <thread>

#include "suites/torture/suite.hpp"
#include "support/child_process.hpp"

namespace nori::torture {

const std::vector<suite>& suites() {
  static const std::vector<suite> all{wal_kills, store_kills, engine_crashes, engine_damage,
                                      linearizability};
  return all;
}

namespace {

using std::chrono::steady_clock;
using test::child_process;
using test::child_program;

struct options {
  std::string suite;
  std::uint64_t seed = 1;
  std::uint64_t seconds = 10;
  std::uint64_t jobs = std::max(1U, std::thread::hardware_concurrency());
};

const suite* find_suite(std::string_view name) {
  for (const suite& each : suites()) {
    if (name == each.name) return &each;
  }
  return nullptr;
}

// So that the seed of any round repeats it as the first round of a run.
std::uint64_t seed_of(std::uint64_t seed, std::uint64_t round) {
  if (round == 0) return seed;
  std::uint64_t bits = seed + round * 0x9e3779b97f4a7c15u;
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
  return (bits ^ (bits >> 31)) >> 1;
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

std::string one_word(std::string text) {
  std::replace(text.begin(), text.end(), ' ', '_');
  return text;
}

// One process: rounds until the time is over. Says at its end what it counted.
int work(const suite& what, std::uint64_t seed, std::uint64_t seconds, bool with_controls) {
  const auto begin = steady_clock::now();
  const auto until = begin + std::chrono::seconds(seconds);
  figures counted{{what.broken, 0}};
  int status = 0;
  if (with_controls && what.controls != nullptr) {
    random_source random(seed);
    for (const control& each : what.controls(random)) {
      const bool caught = !each.caught_by.empty();
      std::cout << "control " << one_word(each.name)
                << (caught ? " caught " + one_line(each.caught_by) : std::string(" missed"))
                << std::endl;
      if (!caught) status = 1;
    }
    if (status != 0) {
      std::cerr << "a planted bug was missed; to repeat it: nori-torture --suite " << what.name
                << " --seed " << seed << " --seconds 1 --jobs 1" << std::endl;
    }
  }
  auto told = begin;
  for (std::uint64_t round = 0; round == 0 || steady_clock::now() < until; ++round) {
    const std::uint64_t own = seed_of(seed, round);
    random_source random(own);
    try {
      what.round(random, counted, until);
    } catch (const std::exception& broken) {
      ++counted[what.broken];
      status = 1;
      std::cerr << what.name << ": " << broken.what() << "\nto repeat it: nori-torture --suite "
                << what.name << " --seed " << own << " --seconds 1 --jobs 1" << std::endl;
      break;
    }
    const auto now = steady_clock::now();
    if (now - told < std::chrono::seconds(1)) continue;
    told = now;
    const double gone = std::chrono::duration<double>(now - begin).count();
    std::cout << "progress " << std::min(1.0, gone / static_cast<double>(seconds)) << std::endl;
  }
  for (const auto& [name, count] : counted) {
    std::cout << "figure " << name << ' ' << count << std::endl;
  }
  return status;
}

// arguments: suite, seed, seconds, whether it plants bugs
const child_program works("works", [](const std::vector<std::string>& arguments) {
  // Whoever stops the suite stops all of it.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const suite* const what = find_suite(arguments.at(0));
  return what == nullptr ? 2
                         : work(*what, std::stoull(arguments.at(1)), std::stoull(arguments.at(2)),
                                arguments.at(3) == "1");
});

/// What all processes say, put together.
class summary {
 public:
  explicit summary(std::size_t jobs) : progress_(jobs, 0) {}

  void take(std::size_t job, const std::string& line) {
    const std::lock_guard lock(mutex_);
    std::istringstream words(line);
    std::string kind;
    words >> kind;
    if (kind == "progress") {
      words >> progress_[job];
      const double least = *std::min_element(progress_.begin(), progress_.end());
      if (least > said_) std::cout << "progress " << (said_ = least) << std::endl;
    } else if (kind == "figure") {
      std::string name;
      std::uint64_t count = 0;
      words >> name >> count;
      figures_[name] += count;
    } else {
      std::cout << line << std::endl;
    }
  }
  void print() const {
    for (const auto& [name, count] : figures_) {
      std::cout << "figure " << name << ' ' << count << std::endl;
    }
  }

 private:
  std::mutex mutex_;
  std::vector<double> progress_;
  double said_ = 0;
  figures figures_;
};

int run_in_processes(const options& how) {
  summary all(how.jobs);
  std::vector<std::unique_ptr<child_process>> processes;
  std::vector<std::thread> readers;
  for (std::size_t job = 0; job < how.jobs; ++job) {
    const std::vector<std::string> arguments{how.suite,
                                             std::to_string(seed_of(how.seed, job << 48)),
                                             std::to_string(how.seconds), job == 0 ? "1" : "0"};
    processes.push_back(std::make_unique<child_process>("works", arguments));
    readers.emplace_back([&all, job, process = processes.back().get()] {
      std::string text;
      while (process->read_some(text)) {
        for (std::size_t end = 0; (end = text.find('\n')) != std::string::npos;) {
          all.take(job, text.substr(0, end));
          text.erase(0, end + 1);
        }
      }
    });
  }
  for (std::thread& each : readers) each.join();
  int status = 0;
  for (const auto& each : processes) {
    const int ended = each->wait();
    if (ended == 0) continue;
    status = 1;
    if (ended != 1) std::cerr << "a process of the suite ended with " << ended << std::endl;
  }
  all.print();
  return status;
}

std::optional<options> parse(const std::vector<std::string_view>& words) {
  options how;
  for (std::size_t i = 0; i + 1 < words.size(); i += 2) {
    const std::string_view value = words[i + 1];
    const auto number = [value](std::uint64_t& to) {
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), to);
      return error == std::errc() && end == value.data() + value.size();
    };
    const bool good = words[i] == "--suite"     ? (how.suite = value, true)
                      : words[i] == "--seed"    ? number(how.seed)
                      : words[i] == "--seconds" ? number(how.seconds)
                      : words[i] == "--jobs"    ? number(how.jobs) && how.jobs != 0
                                                : false;
    if (!good) return std::nullopt;
  }
  if (words.size() % 2 != 0 || find_suite(how.suite) == nullptr) return std::nullopt;
  return how;
}

int run(const std::vector<std::string_view>& words) {
  const std::optional<options> how = parse(words);
  if (!how) {
    std::cerr << "usage: nori-torture --suite NAME [--seed N] [--seconds S] [--jobs J]\nsuites:";
    for (const suite& each : suites()) std::cerr << ' ' << each.name;
    std::cerr << std::endl;
    return 2;
  }
  std::cout << std::fixed << std::setprecision(3);
  if (how->jobs == 1) return work(*find_suite(how->suite), how->seed, how->seconds, true);
  return run_in_processes(*how);
}

}  // namespace
}  // namespace nori::torture

int main(int argc, char* argv[]) {
  if (const int status = nori::test::run_as_child(argc, argv); status >= 0) return status;
  return nori::torture::run({argv + 1, argv + argc});
}
