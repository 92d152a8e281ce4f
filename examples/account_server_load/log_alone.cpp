#include "log_alone.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <array>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>

#include <nori/store/event_store.hpp>

namespace load {

namespace {

namespace asio = boost::asio;

asio::awaitable<void> write(nori::event_store& store, std::size_t number, latencies& all) {
  const std::string name = "a" + std::to_string(number);
  const std::string stream = "account-" + name;
  std::optional<std::uint64_t> revision;
  for (std::size_t n = 0; !all.over(); ++n) {
    const std::array<std::string, 2> tags{
        "account:" + name, "key:k" + std::to_string(number) + '.' + std::to_string(n)};
    const std::array<std::string_view, 2> tag_views{tags[0], tags[1]};
    const std::string data = R"({"amount":1,"balance":)" + std::to_string(n) + '}';
    const std::string metadata = "deposit " + name + " 1";
    const std::array<nori::event_view, 1> events{nori::event_view{
        .type = "deposited", .data = data, .metadata = metadata, .tags = tag_views}};
    const auto begun = clock::now();
    const nori::append_result done =
        co_await store.append(stream, nori::expected_revision::after(revision), events);
    revision = done.value().last_revision;
    all.add(begun);
  }
}

asio::awaitable<void> write_all(std::filesystem::path dir, std::size_t writers, latencies& all) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  nori::store_config options(dir);
  options.log.fsync = nori::fsync_policy::always();
  nori::event_store::opened opened = co_await nori::event_store::open(options);
  asio::steady_timer done(executor, asio::steady_timer::time_point::max());
  std::size_t left = writers;
  for (std::size_t i = 0; i < writers; ++i) {
    asio::co_spawn(executor, write(opened.store, i, all), [&](std::exception_ptr failure) {
      if (failure) std::rethrow_exception(failure);
      if (--left == 0) done.cancel();
    });
  }
  boost::system::error_code ignored;
  co_await done.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  co_await opened.store.close();
}

}  // namespace

figures measure_log(const std::filesystem::path& dir, std::size_t writers,
                    std::chrono::milliseconds how_long) {
  asio::io_context context;
  const auto from = clock::now() + how_long / 5;
  latencies all(from, from + how_long);
  asio::co_spawn(context, write_all(dir, writers, all), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
  context.run();
  return all.result();
}

}  // namespace load
