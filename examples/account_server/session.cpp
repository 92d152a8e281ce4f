#include <boost/beast/core/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <nori/error.hpp>

#include "connection.hpp"
#include "events_stream.hpp"
#include "http.hpp"
#include "log.hpp"
#include "router.hpp"
#include "transport.hpp"

namespace account_server {

namespace {

using namespace std::chrono_literals;
using boost::system::error_code;

bool is_about_the_request(error_code wrong) {
  return wrong.category() == make_error_code(http::error::bad_target).category();
}

response refusal_of(error_code wrong) {
  if (wrong == http::error::body_limit) {
    return error(http::status::payload_too_large, "too_large", "A body is at most 4096 bytes",
                 {{"field", "body"}});
  }
  if (wrong == http::error::header_limit || wrong == http::error::buffer_overflow) {
    return error(http::status::request_header_fields_too_large, "headers_too_large",
                 "Headers are at most 8192 bytes", {{"field", "request"}});
  }
  return error(bad_input{"request", "This is not HTTP/1.1 as it is understood here"});
}

/// All of a response, for one write.
std::string bytes_of(const response& made) {
  std::string bytes = "HTTP/1.1 " + std::to_string(made.result_int()) + ' ';
  const auto append = [&bytes](beast::string_view text) { bytes.append(text.data(), text.size()); };
  append(made.reason());
  bytes += "\r\n";
  for (const auto& field : made) {
    append(field.name_string());
    bytes += ": ";
    append(field.value());
    bytes += "\r\n";
  }
  return bytes + "\r\n" + made.body();
}

constexpr std::string_view events_head =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
    "X-Content-Type-Options: nosniff\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";

std::string chunk_of(std::string_view text) {
  char size[20];
  std::snprintf(size, sizeof size, "%zx\r\n", text.size());
  return size + std::string(text) + "\r\n";
}

/// One connection: its requests, one after the other.
class session {
 public:
  session(service& in, transport& over, std::shared_ptr<connection> me)
      : in_(in), over_(over), me_(std::move(me)) {}

  asio::awaitable<void> run() {
    bool more = true;
    while (more) {
      more = co_await wait_for_request();
      if (more) more = co_await handle_one();
    }
  }

 private:
  /// Waits until something of a request is there. False where there will be none.
  asio::awaitable<bool> wait_for_request() {
    if (buffer_.size() > 0) co_return true;
    if (me_->stopping) co_return false;
    over_.set_time(in_.how.idle_max);
    me_->stop_waiting = [this] { over_.cancel(); };
    const error_code failed = co_await read_more();
    me_->stop_waiting = nullptr;
    co_return !failed;
  }

  asio::awaitable<error_code> read_more() {
    error_code failed;
    const auto room = buffer_.prepare(std::min(read_bytes, buffer_.max_size() - buffer_.size()));
    const std::size_t count = co_await over_.read_some(room, failed);
    buffer_.commit(count);
    co_return failed;
  }

  /// Reads one request as a whole. Beast's parser does no input of its own.
  asio::awaitable<error_code> read_request(http::request_parser<http::string_body>& parser) {
    parser.header_limit(header_bytes_max);
    parser.body_limit(body_bytes_max);
    parser.eager(true);
    bool told_to_go_on = false;
    bool timed = false;
    for (;;) {
      error_code wrong;
      if (buffer_.size() > 0) {
        buffer_.consume(parser.put(buffer_.data(), wrong));
        if (wrong && wrong != http::error::need_more) co_return wrong;
        if (parser.is_done()) co_return error_code();
        if (buffer_.size() == buffer_.max_size()) {
          co_return make_error_code(http::error::buffer_overflow);
        }
      }
      if (parser.is_header_done() && !told_to_go_on &&
          beast::iequals(parser.get()[http::field::expect], "100-continue")) {
        told_to_go_on = true;
        co_await over_.write("HTTP/1.1 100 Continue\r\n\r\n", wrong);
      }
      // Most requests are there as a whole by now.
      if (!std::exchange(timed, true)) over_.set_time(in_.how.request_max);
      const error_code failed = co_await read_more();
      if (failed) co_return failed;
    }
  }

  /// Whether another request may follow.
  asio::awaitable<bool> handle_one() {
    http::request_parser<http::string_body> parser;
    const error_code wrong = co_await read_request(parser);
    if (wrong) {
      // When it has hung up, or taken too long, nobody is there to be told.
      if (is_about_the_request(wrong)) {
        response refused = refusal_of(wrong);
        co_await send(std::move(refused), false);
      } else {
        over_.close();
      }
      co_return false;
    }
    const request asked = parser.release();
    const auto begun = std::chrono::steady_clock::now();
    const bool is_events = asked.method() == http::verb::get &&
                           asked.target().substr(0, asked.target().find('?')) == "/events";
    if (is_events) {
      co_await handle_events(asked);
      co_return false;
    }
    response made = co_await answer_to(in_, asked);
    // There is no body in an answer to HEAD, whatever its length is said to be.
    if (asked.method() == http::verb::head) made.body().clear();
    const unsigned status = made.result_int();
    const bool keep = asked.version() == 11 && asked.keep_alive() && !me_->stopping;
    const bool sent = co_await send(std::move(made), keep);
    if (in_.how.log_requests) {
      const auto took = std::chrono::steady_clock::now() - begun;
      log_line("info", "request",
               {{"method", std::string_view(http::to_string(asked.method()))},
                {"status", status},
                {"us", std::chrono::duration_cast<std::chrono::microseconds>(took).count()}});
    }
    co_return sent&& keep;
  }

  asio::awaitable<bool> send(response made, bool keep) {
    if (!keep) made.set(http::field::connection, "close");
    in_.meter->add(metrics::responses, 1, std::to_string(made.result_int()));
    over_.set_time(in_.how.write_max);
    const std::string bytes = bytes_of(made);
    error_code failed;
    co_await over_.write(bytes, failed);
    co_return !failed;
  }

  asio::awaitable<void> handle_events(const request& asked) {
    std::optional<response> refused;
    nori::subscribe_options how;
    std::shared_ptr<readers::reader> counted;
    try {
      how = parse_subscription(in_, asked);
      counted = in_.subscribers.enter(in_.how.subscriptions_max);
      if (!counted) refused = unavailable("overloaded", "Too many readers of events; try again");
    } catch (const bad_input& wrong) {
      refused = error(wrong);
    }
    if (refused) {
      response made = std::move(*refused);
      co_await send(std::move(made), false);
      co_return;
    }
    in_.meter->add(metrics::responses, 1, "200");
    over_.set_time(in_.how.write_max);
    error_code failed;
    co_await over_.write(events_head, failed);
    if (failed) co_return;

    // A reader sends nothing more: when its socket becomes readable it has hung up.
    const std::shared_ptr<connection> me = me_;
    over_.socket().async_wait(tcp::socket::wait_read, [me](error_code) {
      me->gone = true;
      me->wake.emit(asio::cancellation_type::terminal);
    });
    std::exception_ptr ended;
    try {
      message_writer write = [this](std::string text) { return send_chunk(std::move(text)); };
      co_await stream_events(in_, me_, counted, how, std::move(write));
    } catch (...) {
      ended = std::current_exception();
    }
    if (ended) {
      log_end(ended);
      over_.close();
    } else if (!me_->gone) {
      over_.set_time(in_.how.write_max);
      co_await over_.write("0\r\n\r\n", failed);
    }
  }

  asio::awaitable<void> send_chunk(std::string text) {
    over_.set_time(in_.how.write_max);
    const std::string bytes = chunk_of(text);
    error_code failed;
    co_await over_.write(bytes, failed);
    if (failed) throw boost::system::system_error(failed);
    // The wait for the next events is as long as it is.
    over_.set_no_time();
  }

  void log_end(const std::exception_ptr& ended) {
    try {
      std::rethrow_exception(ended);
    } catch (const boost::system::system_error& why) {
      if (why.code() == beast::error::timeout) {
        log_line("info", "slow_reader_disconnected");
      } else if (why.code().category() == nori::error_category() &&
                 why.code() != nori::errc::closed) {
        log_line("error", "subscription_failed", {{"why", why.what()}});
      }
    } catch (const std::exception& why) {
      log_line("error", "subscription_failed", {{"why", why.what()}});
    }
  }

  static constexpr std::size_t read_bytes = 4096;

  service& in_;
  transport& over_;
  std::shared_ptr<connection> me_;
  beast::flat_buffer buffer_{header_bytes_max + body_bytes_max};
};

}  // namespace

asio::awaitable<void> serve(service& in, connections& all, tcp::socket socket,
                            asio::ssl::context* tls) {
  const auto me = std::make_shared<connection>(socket.get_executor());
  const std::unique_ptr<transport> over = make_transport(std::move(socket), tls);
  all.add(me);
  try {
    const error_code failed = co_await over->begin(in.how.request_max);
    if (!failed) {
      session its(in, *over, me);
      co_await its.run();
      if (over->socket().is_open()) co_await over->end();
    }
  } catch (const std::exception& failed) {
    log_line("error", "connection_failed", {{"why", failed.what()}});
  }
  over->close();
  --in.connections;
  all.remove(me);
}

asio::awaitable<void> turn_away(tcp::socket socket) {
  const std::unique_ptr<transport> over = make_transport(std::move(socket), nullptr);
  over->set_time(2s);
  response made = unavailable("overloaded", "Too many connections; try again");
  made.set(http::field::connection, "close");
  const std::string bytes = bytes_of(made);
  error_code failed;
  co_await over->write(bytes, failed);
  co_await over->end();
}

}  // namespace account_server
