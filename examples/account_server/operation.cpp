#include <boost/system/error_code.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "queries.hpp"

namespace account_server {

asio::awaitable<response> get_stats(service& in, const target& where, const request&) {
  where.allow({});
  const std::uint64_t next = in.store.next_global_position();
  json::object log = in.meter->log();
  log["failed"] = in.store.failure().failed();
  log["backend"] = in.store.backend() == nori::backend::uring ? "uring" : "threads";
  json::object commands = in.meter->commands();
  commands["in_flight"] = in.commands_in_flight.load();
  const std::optional<std::uint64_t> through = in.view->through();
  const std::chrono::duration<double> up = std::chrono::steady_clock::now() - in.since;
  co_return answer(
      http::status::ok,
      {{"uptime_s", up.count()},
       {"next_position", next},
       {"durable_position", in.store.durable_global_position()},
       {"log", std::move(log)},
       {"commands", std::move(commands)},
       {"connections",
        json::object{{"open", in.connections.load()}, {"max", in.how.connections_max}}},
       {"subscriptions", in.subscribers.describe(next)},
       {"projection",
        json::object{{"through", through ? json::value(*through) : json::value(nullptr)},
                     {"lag", in.view->lag()},
                     {"failed", !in.projection_failure().empty()}}}});
}

asio::awaitable<response> get_metrics(service& in, const target& where, const request&) {
  where.allow({});
  const std::uint64_t next = in.store.next_global_position();
  in.meter->set(metrics::subscriptions, static_cast<double>(in.subscribers.count()), {});
  in.meter->set(metrics::subscription_lag, static_cast<double>(in.subscribers.largest_lag(next)),
                {});
  in.meter->set(metrics::connections, static_cast<double>(in.connections.load()), {});
  co_return answer(http::status::ok, nori::prometheus_exporter::content_type, in.meter->text());
}

asio::awaitable<response> get_health(service& in, const target& where, const request&) {
  where.allow({});
  const boost::system::error_code log = in.store.failure();
  const std::string projection = in.projection_failure();
  const bool good = !log.failed() && projection.empty() && !in.stopping;
  response made = answer(good ? http::status::ok : http::status::service_unavailable,
                         {{"status", good ? "ok" : (in.stopping ? "stopping" : "failed")},
                          {"log", log.failed() ? log.message() : std::string("ok")},
                          {"projection", projection.empty() ? std::string("ok") : projection}});
  if (!good) made.set(http::field::retry_after, "1");
  co_return made;
}

asio::awaitable<response> get_openapi(service& in, const target& where, const request&) {
  where.allow({});
  co_return answer(http::status::ok, "application/json", in.openapi);
}

asio::awaitable<response> get_page(service& in, const target&, const request&) {
  response made = answer(http::status::ok, "text/html; charset=utf-8", in.page);
  // The page has its script and style in itself, and speaks to this server alone.
  made.set("Content-Security-Policy",
           "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
           "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
           "frame-ancestors 'none'");
  made.set("Referrer-Policy", "no-referrer");
  co_return made;
}

}  // namespace account_server
