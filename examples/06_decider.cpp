// The rules of a service as three pure functions, tested without a disk; a command handler loads,
// decides, appends, and decides again when somebody else was faster.

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>

#include <string>
#include <variant>
#include <vector>

#include <nori/store/command_handler.hpp>
#include <nori/testing/given_when_then.hpp>

#include "example.hpp"

namespace {

struct reserved {
  int seats = 0;
};
BOOST_DESCRIBE_STRUCT(reserved, (), (seats))
struct sold_out {};
BOOST_DESCRIBE_STRUCT(sold_out, (), ())

struct reserve {
  int seats = 0;
};
BOOST_DESCRIBE_STRUCT(reserve, (), (seats))

enum class refusal { none, too_few_seats };
BOOST_DESCRIBE_ENUM(refusal, none, too_few_seats)

// A hall with 100 seats.
struct hall {
  using state = int;  // seats taken
  using command = reserve;
  using event = std::variant<reserved, sold_out>;
  using rejection = refusal;

  static state initial() { return 0; }
  static state evolve(state taken, const event& what) {
    if (const auto* some = std::get_if<reserved>(&what)) taken += some->seats;
    return taken;
  }
  static nori::decision<hall> decide(const state& taken, const command& wanted) {
    if (taken + wanted.seats > 100) return refusal::too_few_seats;
    std::vector<event> events{reserved{wanted.seats}};
    if (taken + wanted.seats == 100) events.push_back(sold_out{});
    return events;
  }
};

void test_the_rules() {
  using nori::testing::given;
  given<hall>().when(reserve{2}).then(reserved{2}).then_state(2);
  given<hall>(reserved{98}).when(reserve{2}).then(reserved{2}, sold_out{});
  given<hall>(reserved{98}).when(reserve{3}).then_rejected(refusal::too_few_seats);
}

asio::awaitable<void> show(nori::store_config options) {
  test_the_rules();

  auto [store, recovered] = co_await nori::event_store::open(options);
  nori::command_handler<hall> halls(store, nori::handler_options<hall>("hall-"));
  const auto most = co_await halls.handle("red", reserve{98});
  check(most && most->state == 98);
  const auto refused = co_await halls.handle("red", reserve{3});
  check(refused.has_error() && refused.error() == refusal::too_few_seats);

  // A key makes it safe to send a command again: it is done once, and answered as the first time.
  const nori::command_options key("request-17");
  const auto last = co_await halls.handle("red", reserve{2}, key);
  check(last && last->state == 100 && last->appended->last_revision == 2);
  const auto again = co_await halls.handle("red", reserve{2}, key);
  check(again && again->repeated && again->state == 100);

  const auto now = co_await halls.load("red");
  std::cout << now.state << " seats are taken, after revision " << *now.revision << '\n';
  check(store.next_global_position() == 3);
  co_await store.close();
}

}  // namespace

int main(int argc, char* argv[]) { return run(argc, argv, show); }
