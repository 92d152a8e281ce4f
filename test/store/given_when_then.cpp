#include <nori/testing/given_when_then.hpp>

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <boost/test/unit_test.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/bank_account.hpp"

namespace nori {

namespace {

using testing::given;
using testing::given_to;
using namespace bank;  // NOLINT: as a service's own tests do

const rejection insufficient{"Insufficient balance"};

std::string difference_of(void (*call)()) {
  try {
    call();
  } catch (const testing::difference& what) {
    return what.what();
  }
  BOOST_ERROR("no difference was found");
  return {};
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// A decider that carries something, with types that are only described.
enum class refusal { none, too_much };
BOOST_DESCRIBE_ENUM(refusal, none, too_much)
struct counted {
  int by = 0;
  std::vector<std::optional<int>> odd;
};
BOOST_DESCRIBE_STRUCT(counted, (), (by, odd))

struct counter {
  using state = int;
  using command = int;
  using event = counted;
  using rejection = refusal;

  int limit = 0;
  [[nodiscard]] state initial() const { return 0; }
  [[nodiscard]] state evolve(state before, const event& what) const { return before + what.by; }
  [[nodiscard]] decision<counter> decide(const state& now, const command& by) const {
    if (now + by > limit) return refusal::too_much;
    return std::vector<event>{counted{by, {}}};
  }
};
static_assert(decider<counter>);
static_assert(decider<account>);
static_assert(!decider<counted>);

}  // namespace

BOOST_AUTO_TEST_SUITE(given_when_then)

BOOST_AUTO_TEST_CASE(the_rules_of_a_bank_account) {
  given<account>().when(open{"ann", 100}).then(opened{"ann", 100, "USD"});
  given<account>().when(deposit{1}).then_rejected({"No such account"});
  given<account>(opened{"ann", 100, "USD"})
      .when(open{"bob"})
      .then_rejected({"Account exists already"});
  given<account>(opened{"ann", 100, "USD"}).when(deposit{5}).then(deposited{5});
  given<account>(opened{"ann", 100, "USD"}, deposited{5})
      .when(withdraw{105})
      .then(withdrawn{105})
      .then_state({true, false, 0, "USD", 3});
  given<account>(opened{"ann", 100, "USD"}).when(withdraw{101}).then_rejected(insufficient);
  given<account>(opened{"ann", 100, "USD"}).when(close{}).then(withdrawn{100}, closed{});
  given<account>(opened{"ann", 0, "USD"}).when(touch{}).then_nothing();
  BOOST_TEST(is_final(account(), given<account>(closed{}).state()));
  BOOST_TEST(!is_final(counter(), 0));
}

BOOST_AUTO_TEST_CASE(a_difference_is_told_with_history_command_and_place) {
  const std::string text = difference_of(
      [] { given<account>(opened{"ann", 100, "USD"}).when(withdraw{30}).then(withdrawn{31}); });
  BOOST_TEST(has(text, __FILE__));
  BOOST_TEST(has(text, R"(opened{owner: "ann", cents: 100, currency: "USD"})"));
  BOOST_TEST(has(text, "when\n    withdraw\n"));  // it is not described
  BOOST_TEST(has(text, "expected the events\n    withdrawn{cents: 31}\n"));
  BOOST_TEST(has(text, "found the events\n    withdrawn{cents: 30}"));
}

BOOST_AUTO_TEST_CASE(every_wrong_expectation_is_noticed) {
  const std::string rejected = difference_of(
      [] { given<account>(opened{"ann", 1, "USD"}).when(withdraw{2}).then(withdrawn{2}); });
  BOOST_TEST(has(rejected, "found a rejection: Insufficient balance"));
  BOOST_TEST(
      has(difference_of([] {
            given<account>(opened{"ann", 1, "USD"}).when(withdraw{1}).then_rejected(insufficient);
          }),
          "found the events"));
  BOOST_TEST(has(difference_of([] {
                   given<account>(opened{"ann", 1, "USD"}).when(withdraw{2}).then_rejected({"x"});
                 }),
                 "expected a rejection: x"));
  BOOST_TEST(has(difference_of([] { given<account>().when(open{"x"}).then_nothing(); }),
                 "expected nothing"));
  BOOST_TEST(has(difference_of([] { given<account>().when(deposit{1}).then_nothing(); }),
                 "expected nothing"));
  BOOST_TEST(has(difference_of([] { given<account>().when(touch{}).then(closed{}); }), "(none)"));
  BOOST_TEST(has(difference_of([] {
                   given<account>(opened{"ann", 5, "USD"}).when(close{}).then(withdrawn{5});
                 }),
                 "closed{}"));
  BOOST_TEST(has(difference_of([] { given<account>().when(touch{}).then_state({true}); }),
                 "is_open: true"));
}

BOOST_AUTO_TEST_CASE(a_decider_may_carry_something_and_be_described_only) {
  given_to(counter{3}, counted{1, {}}).when(2).then(counted{2, {}}).then_state(3);
  given_to(counter{3}, counted{2, {}}).when(2).then_rejected(refusal::too_much);
  const std::string text =
      difference_of([] { given_to(counter{3}).when(2).then(counted{2, {1, std::nullopt}}); });
  BOOST_TEST(has(text, "counted{by: 2, odd: [1, nothing]}"));
  BOOST_TEST(
      has(difference_of([] { given_to(counter{3}).when(2).then_rejected(refusal::too_much); }),
          "a rejection: too_much"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori
