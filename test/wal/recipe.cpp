// The bank account of the seed, on the log itself: state is what replay gives.

#include <map>

#include "wal/wal_test.hpp"

namespace nori::wal_test {
namespace {

class accounts {
 public:
  explicit accounts(log_in_scratch& log) : log_(log) {
    for (const found& each : log_.read_all()) balances_[each.key] += std::stol(each.value);
  }

  void book(const std::string& owner, long amount) {
    if (balances_[owner] + amount < 0) throw std::runtime_error("Insufficient balance");
    log_.append(owner, std::to_string(amount));
    balances_[owner] += amount;
  }
  [[nodiscard]] long balance(const std::string& owner) const { return balances_.at(owner); }

 private:
  log_in_scratch& log_;
  std::map<std::string, long> balances_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(recipe)

BOOST_AUTO_TEST_CASE(alice_has_1500_after_a_deposit) {
  log_in_scratch log;
  log.open();
  accounts bank(log);
  bank.book("alice", 1000);
  bank.book("alice", 500);
  BOOST_TEST(bank.balance("alice") == 1500);
  BOOST_TEST(accounts(log).balance("alice") == 1500);
}

BOOST_AUTO_TEST_CASE(bob_has_2500_after_reopening) {
  log_in_scratch log;
  log.open();
  {
    accounts bank(log);
    bank.book("bob", 2000);
    bank.book("bob", 1000);
    bank.book("bob", -500);
  }
  log.close();
  const recovery_info recovered = log.open();
  BOOST_TEST(recovered.clean_close);
  BOOST_TEST(recovered.valid_records == 3u);
  BOOST_TEST(accounts(log).balance("bob") == 2500);
  log.reopen();
  BOOST_TEST(accounts(log).balance("bob") == 2500);
}

BOOST_AUTO_TEST_CASE(charlie_is_refused_more_than_he_has_and_nothing_is_recorded) {
  log_in_scratch log;
  log.open();
  {
    accounts bank(log);
    bank.book("charlie", 100);
    BOOST_CHECK_THROW(bank.book("charlie", -200), std::runtime_error);
    BOOST_TEST(bank.balance("charlie") == 100);
  }
  log.reopen();
  BOOST_TEST(accounts(log).balance("charlie") == 100);
  BOOST_TEST(log.read_all().size() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::wal_test
