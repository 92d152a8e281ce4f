// top: what a running service does, from the metrics that it shows.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <csignal>
#include <variant>

#include "monitoring/fetch.hpp"
#include "monitoring/figures_text.hpp"
#include "monitoring/full_screen.hpp"
#include "monitoring/service_figures.hpp"
#include "verbs/verbs.hpp"

namespace nori::cli {

namespace {

constexpr std::string_view usual_endpoint = "http://127.0.0.1:8080/metrics";

/// Why there are no figures.
struct no_answer {
  std::string what;
  std::string advice;
  int status;
};
using look = std::variant<service_figures, no_answer>;

/// Looks at a service time and again.
class observer {
 public:
  observer(endpoint at, std::chrono::milliseconds timeout)
      : at_(std::move(at)), timeout_(timeout) {}

  /// What happened since the last look that there was an answer to.
  asio::awaitable<look> next() {
    no_answer failed;
    try {
      const std::string page = co_await fetch(at_, timeout_);
      const auto now = std::chrono::steady_clock::now();
      const exposition found(page);
      if (found.empty()) {
        throw stop(status_failed, at_.text() + " answers, and nothing in it is a metric of nori",
                   "does the service give store_config::log.meter, and show its text() there?");
      }
      const std::chrono::duration<double> passed = now - when_;
      service_figures made =
          before_ ? figures_between(*before_, found, passed.count()) : figures_at(found);
      before_ = found;
      when_ = now;
      co_return made;
    } catch (const malformed_page& error) {
      failed = {at_.text() + ": " + error.what(), "is this where the service shows its metrics?",
                status_failed};
    } catch (const stop& error) {
      failed = {error.what(), error.advice(), error.status()};
    }
    co_return failed;
  }

  [[nodiscard]] const endpoint& at() const noexcept { return at_; }

 private:
  const endpoint at_;
  const std::chrono::milliseconds timeout_;
  std::optional<exposition> before_;
  std::chrono::steady_clock::time_point when_;
};

event_time wall_clock() {
  return std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now());
}

asio::awaitable<void> wait_until(std::chrono::steady_clock::time_point when) {
  asio::steady_timer pause(co_await asio::this_coro::executor);
  pause.expires_at(when);
  co_await pause.async_wait(asio::use_awaitable);
}

// Two looks, one answer.
asio::awaitable<int> look_once(const arguments* with, output* to, observer* service) {
  for (int left = 2; left != 0; --left) {
    const auto next = std::chrono::steady_clock::now() + with->interval;
    const look found = co_await service->next();
    if (const auto* const failed = std::get_if<no_answer>(&found)) {
      throw stop(failed->status, failed->what, failed->advice);
    }
    if (left == 2) {
      co_await wait_until(next);
      continue;
    }
    const auto& figures = std::get<service_figures>(found);
    if (with->json) {
      to->json(json_of(figures, service->at().text(), wall_clock()));
    } else {
      for (const std::string& line : lines_of(figures, *to)) to->line(line);
    }
  }
  co_return status_done;
}

// A line for each look.
asio::awaitable<void> look_by_lines(const arguments* with, output* to, observer* service) {
  constexpr int lines_below_titles = 20;
  int lines = 0;
  for (;;) {
    const auto next = std::chrono::steady_clock::now() + with->interval;
    const look found = co_await service->next();
    const event_time now = wall_clock();
    if (const auto* const failed = std::get_if<no_answer>(&found)) {
      if (with->json) {
        boost::json::object made;
        made["at"] = exact_time_text(now);
        made["url"] = service->at().text();
        made["error"] = printable(failed->what);
        to->json(made);
      } else {
        to->line(time_text(now) + "  " + printable(failed->what));
        lines = 0;
      }
    } else if (const auto& figures = std::get<service_figures>(found); figures.seconds > 0) {
      if (with->json) {
        to->json(json_of(figures, service->at().text(), now));
      } else {
        if (lines++ % lines_below_titles == 0) to->line(titles_of_a_line());
        to->line(line_of(figures, now));
      }
    }
    to->flush();
    co_await wait_until(next);
  }
}

struct shown_lines {
  std::vector<std::string> lines;
};

asio::awaitable<void> look_on_screen(const arguments* with, output* to, observer* service,
                                     full_screen* screen, shown_lines* shown) {
  std::optional<event_time> answered;
  std::vector<std::string> last;
  for (;;) {
    const auto next = std::chrono::steady_clock::now() + with->interval;
    const look found = co_await service->next();
    const event_time now = wall_clock();
    shown->lines = {to->tinted(tint::strong, "nori top  " + service->at().text()) + "  " +
                        to->tinted(tint::faint, time_text(now) + "  q ends it"),
                    ""};
    if (const auto* const failed = std::get_if<no_answer>(&found)) {
      shown->lines.push_back(to->tinted(tint::bad, printable(failed->what)));
      if (!failed->advice.empty()) shown->lines.push_back("  " + printable(failed->advice));
      shown->lines.push_back(
          "  trying again" +
          (answered ? "; what follows is of " + time_text(*answered) : std::string()));
      shown->lines.emplace_back();
    } else {
      answered = now;
      last = lines_of(std::get<service_figures>(found), *to);
    }
    shown->lines.insert(shown->lines.end(), last.begin(), last.end());
    screen->show(shown->lines);
    co_await wait_until(next);
  }
}

// Another size shows the same figures at once.
asio::awaitable<void> follow_size(full_screen* screen, const shown_lines* shown) {
  asio::signal_set resized(co_await asio::this_coro::executor, SIGWINCH);
  for (;;) {
    co_await resized.async_wait(asio::use_awaitable);
    screen->show(shown->lines);
  }
}

asio::awaitable<int> signalled() {
  asio::signal_set asked(co_await asio::this_coro::executor, SIGINT, SIGTERM, SIGHUP);
  co_return co_await asked.async_wait(asio::use_awaitable);
}

asio::awaitable<int> look_until_quit(const arguments* with, output* to, observer* service) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  int by_signal = 0;
  {
    full_screen screen(executor);
    shown_lines shown;
    // Whichever ends first ends the others.
    auto group = asio::experimental::make_parallel_group(
        asio::co_spawn(executor, look_on_screen(with, to, service, &screen, &shown),
                       asio::deferred),
        asio::co_spawn(executor, follow_size(&screen, &shown), asio::deferred),
        asio::co_spawn(executor, screen.until_quit(), asio::deferred),
        asio::co_spawn(executor, signalled(), asio::deferred));
    const auto [order, failure, resizing, typing, waiting, number] =
        co_await group.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
    if (order[0] == 0 && failure) std::rethrow_exception(failure);
    if (order[0] == 3) by_signal = number;
  }
  // As every program does that is asked to end; the screen is given back.
  if (by_signal != 0 && by_signal != SIGINT) {
    std::signal(by_signal, SIG_DFL);
    std::raise(by_signal);
  }
  co_return status_done;
}

}  // namespace

asio::awaitable<int> top(const arguments& with, output& to) {
  const std::string url = with.target.empty() ? std::string(usual_endpoint) : with.target;
  const std::optional<endpoint> at = parse_endpoint(url);
  if (!at) {
    throw stop(status_usage, "\"" + url + "\" is no place of metrics: http://HOST:PORT/PATH",
               "only http is spoken: from another machine go through a tunnel, as by ssh -L");
  }
  observer service(*at, with.timeout);
  if (with.once) co_return co_await look_once(&with, &to, &service);
  if (with.json || !full_screen::possible()) {
    co_await look_by_lines(&with, &to, &service);
    co_return status_done;
  }
  co_return co_await look_until_quit(&with, &to, &service);
}

}  // namespace nori::cli
