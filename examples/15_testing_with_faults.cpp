// A service's own test: the power fails before each operation of the disk, and whatever a customer
// was told of is still there. No file is touched, and no time is waited for.

#include <boost/system/system_error.hpp>

#include <charconv>
#include <cstdint>

#include <nori/testing/simulated_disk.hpp>

#include "example.hpp"

namespace {

// What is tested: it keeps one account, and says when a deposit is safe.
class savings {
 public:
  explicit savings(nori::event_store store) : store_(std::move(store)) {}

  static asio::awaitable<savings> open(nori::store_config options) {
    auto opened = co_await nori::event_store::open(options);
    co_return savings(std::move(opened.store));
  }
  asio::awaitable<void> deposit(std::uint64_t amount) {
    const nori::event made("deposited", std::to_string(amount));
    nori::event_view view;
    view.type = made.type;
    view.data = made.data;
    const auto any = nori::expected_revision::any();
    (co_await store_.append("account", any, view)).value();
  }
  asio::awaitable<std::uint64_t> balance() {
    std::uint64_t sum = 0;
    nori::event_reader all = store_.read_stream("account");
    while (const auto each = co_await all.next()) {
      std::uint64_t amount = 0;
      std::from_chars(each->data.data(), each->data.data() + each->data.size(), amount);
      sum += amount;
    }
    co_return sum;
  }
  asio::awaitable<void> close() { co_await store_.close(); }

 private:
  nori::event_store store_;
};

struct customer {
  std::uint64_t told = 0;   // of deposits that are safe
  std::uint64_t tried = 0;  // the same, and the one that was under way
};

asio::awaitable<void> pay_in(nori::store_config options, customer* who) {
  try {
    savings account = co_await savings::open(options);
    for (const std::uint64_t amount : {5U, 20U, 1U, 100U}) {
      who->tried += amount;
      co_await account.deposit(amount);
      who->told = who->tried;
    }
    co_await account.close();
  } catch (const boost::system::system_error& failed) {
    // The disk is gone. A service would end here, and be started again.
  }
}

asio::awaitable<void> look(nori::store_config options, std::uint64_t* found) {
  savings account = co_await savings::open(options);
  *found = co_await account.balance();
  co_await account.close();
}

void run_to_its_end(nori::testing::simulated_disk& disk, asio::awaitable<void> what) {
  asio::io_context context;
  asio::co_spawn(context, std::move(what), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
  disk.run(context);  // timers go off at once, and in their order
}

void test_every_power_cut() {
  std::uint64_t operation = 1;
  for (bool cut = true; cut; ++operation) {
    nori::testing::simulated_disk disk(operation);  // the seed: it decides what arrives
    disk.cut_power_before(operation);
    nori::store_config options("events");
    options.log.storage = disk.storage();
    options.log.fsync = nori::fsync_policy::always();

    customer who;
    run_to_its_end(disk, pay_in(options, &who));
    cut = disk.power_was_cut();
    disk.cut_power_before(0);  // never any more
    std::uint64_t found = 0;
    run_to_its_end(disk, look(options, &found));
    check(found == who.told || found == who.tried);
  }
  std::cout << "the power failed before each of " << operation - 2 << " operations\n";
}

// A disk that is full: the service says so, and goes on when there is room again.
void test_full_disk() {
  nori::testing::simulated_disk disk(1);
  disk.fail({.what = nori::testing::disk_operation::allocate, .error = ENOSPC});
  nori::store_config options("events");
  options.log.storage = disk.storage();
  options.log.fsync = nori::fsync_policy::always();
  customer who;
  run_to_its_end(disk, pay_in(options, &who));
  disk.clear_faults();
  std::uint64_t found = 0;
  run_to_its_end(disk, look(options, &found));
  check(found == who.told || found == who.tried);
}

}  // namespace

int main(int /*argc*/, char* argv[]) {
  try {
    test_every_power_cut();
    test_full_disk();
    return 0;
  } catch (const std::exception& error) {
    std::cerr << argv[0] << ": " << error.what() << '\n';
    return 1;
  }
}
