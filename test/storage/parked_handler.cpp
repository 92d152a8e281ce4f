// How coroutines come back from other threads.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <cstddef>
#include <exception>
#include <memory>
#include <thread>
#include <utility>

#include "storage/workers.hpp"
#include "support/random_source.hpp"

namespace nori::storage::test {

namespace {

// An io_context's executor that says where its work ends.
class told_executor {
 public:
  struct account {
    asio::io_context& on;
    std::thread::id home;
    std::atomic<std::size_t> elsewhere{0};  ///< copies that track work and ended on other threads
  };

  explicit told_executor(account& into) noexcept : into_(&into) {}
  told_executor(const told_executor&) = default;
  told_executor& operator=(const told_executor&) = delete;
  ~told_executor() {
    if (work_ && std::this_thread::get_id() != into_->home) ++into_->elsewhere;
  }

  [[nodiscard]] asio::execution_context& query(asio::execution::context_t) const noexcept {
    return into_->on;
  }
  [[nodiscard]] told_executor require(asio::execution::blocking_t::never_t) const noexcept {
    return *this;
  }
  [[nodiscard]] told_executor require(
      asio::execution::outstanding_work_t::tracked_t) const noexcept {
    told_executor changed(*into_);
    changed.work_ = asio::prefer(asio::any_io_executor(into_->on.get_executor()),
                                 asio::execution::outstanding_work.tracked);
    return changed;
  }
  [[nodiscard]] told_executor require(
      asio::execution::outstanding_work_t::untracked_t) const noexcept {
    return told_executor(*into_);
  }
  template <typename Function>
  void execute(Function&& function) const {
    asio::post(into_->on, std::forward<Function>(function));
  }
  friend bool operator==(const told_executor& a, const told_executor& b) noexcept {
    return a.into_ == b.into_ && !a.work_ == !b.work_;
  }
  friend bool operator!=(const told_executor& a, const told_executor& b) noexcept {
    return !(a == b);
  }

 private:
  account* into_;
  asio::any_io_executor work_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(parked_handlers)

// The last work that ends stops a context: on another thread that could be after whoever ran the
// context had restarted it for something else.
BOOST_AUTO_TEST_CASE(no_other_thread_ends_the_work_of_a_context) {
  asio::io_context io;
  told_executor::account told{io, std::this_thread::get_id()};
  const auto helper = std::make_shared<workers>(2);
  const std::size_t rounds = nori::test::scaled(1000);
  std::size_t done = 0;
  for (std::size_t round = 0; round < rounds; ++round) {
    io.restart();
    asio::co_spawn(told_executor(told), on_worker(helper, [] {}),
                   [&done](std::exception_ptr error) { done += error ? 0 : 1; });
    io.run();
  }
  BOOST_TEST(done == rounds);
  BOOST_TEST(told.elsewhere == 0u);
  helper->shutdown();
}

BOOST_AUTO_TEST_CASE(a_context_that_was_restarted_is_not_stopped_by_who_resumed_before) {
  asio::io_context io;
  const auto helper = std::make_shared<workers>(2);
  const std::size_t rounds = nori::test::scaled(20'000);
  std::size_t done = 0;
  for (std::size_t round = 0; round < rounds; ++round) {
    asio::co_spawn(io, on_worker(helper, [] {}), [&io](std::exception_ptr) { io.stop(); });
    io.run();
    io.restart();
    const std::size_t before = done;
    asio::post(io, [&] { asio::post(io, [&] { asio::post(io, [&] { ++done; }); }); });
    io.run();
    if (done == before) break;
    io.restart();
  }
  BOOST_TEST(done == rounds);
  helper->shutdown();
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::storage::test
