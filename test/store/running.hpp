#ifndef NORI_TEST_STORE_RUNNING_HPP
#define NORI_TEST_STORE_RUNNING_HPP

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "store/memory_source.hpp"
#include "support/code_of.hpp"
#include "support/run.hpp"

namespace nori::store::test {

/// A projection or a consumer group that runs on a context of its own, until it is stopped.
template <typename Consumer>
class running_consumer {
 public:
  template <typename... How>
  explicit running_consumer(std::shared_ptr<memory_source> from, How&&... how)
      : source(std::move(from)), consumer(source, std::forward<How>(how)...) {
    start();
  }
  ~running_consumer() {
    if (!work->done()) cancel.emit(asio::cancellation_type::terminal);
    io.restart();
    io.run_for(std::chrono::seconds(10));
  }
  running_consumer(const running_consumer&) = delete;
  running_consumer& operator=(const running_consumer&) = delete;

  void start() { work.emplace(io.get_executor(), consumer.run(), cancel.slot()); }
  void until(std::function<bool()> condition) { nori::test::run_until(io, condition); }
  boost::system::error_code stop(asio::cancellation_type how = asio::cancellation_type::total) {
    cancel.emit(how);
    return outcome();
  }
  boost::system::error_code outcome() {
    until([this] { return work->done(); });
    return nori::test::code_of([this] { work->get(); });
  }

  asio::io_context io;
  asio::cancellation_signal cancel;
  std::shared_ptr<memory_source> source;
  Consumer consumer;
  std::optional<nori::test::task<void>> work;
};

}  // namespace nori::store::test

#endif
