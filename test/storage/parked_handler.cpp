// How coroutines come back from other threads.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <chrono>
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
    std::atomic<bool> posting{false};       ///< another thread is in here
    std::atomic<bool> drops{false};         ///< what is posted is destroyed instead
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
  // Other threads take their time: what they posted has a chance to be called before they leave.
  template <typename Function>
  void execute(Function&& function) const {
    if (into_->drops) return;
    const bool foreign = std::this_thread::get_id() != into_->home;
    if (foreign) into_->posting = true;
    asio::post(into_->on, std::forward<Function>(function));
    if (foreign) {
      std::this_thread::sleep_for(std::chrono::microseconds(100));
      into_->posting = false;
    }
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
// context had restarted it for something else. And a context may be destroyed as soon as it has
// nothing left to do.
BOOST_AUTO_TEST_CASE(who_resumes_has_left_the_context_and_ends_none_of_its_work) {
  asio::io_context io;
  told_executor::account told{io, std::this_thread::get_id()};
  const auto helper = std::make_shared<workers>(2);
  const std::size_t rounds = nori::test::scaled(1000);
  std::size_t done = 0;
  std::size_t early = 0;
  for (std::size_t round = 0; round < rounds; ++round) {
    io.restart();
    asio::co_spawn(told_executor(told), on_worker(helper, [] {}), [&](std::exception_ptr error) {
      done += error ? 0 : 1;
      early += told.posting ? 1 : 0;
    });
    io.run();
  }
  BOOST_TEST(done == rounds);
  BOOST_TEST(early == 0u);
  BOOST_TEST(told.elsewhere == 0u);
  helper->shutdown();
}

BOOST_AUTO_TEST_CASE(what_an_executor_drops_is_destroyed_by_who_posts_it) {
  asio::io_context io;
  told_executor::account told{io, std::this_thread::get_id()};
  const auto helper = std::make_shared<workers>(1);
  auto held = std::make_shared<int>();
  const std::weak_ptr<int> there = held;
  asio::co_spawn(told_executor(told),
                 on_worker(helper, [&told, held = std::move(held)] { told.drops = true; }),
                 [](std::exception_ptr) { BOOST_ERROR("it was resumed"); });
  io.run();
  // Waits for the thread.
  helper->shutdown();
  BOOST_TEST(told.drops);
  BOOST_TEST(there.expired());
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
