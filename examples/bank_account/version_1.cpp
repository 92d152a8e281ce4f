#include "version_1.hpp"

#include <boost/describe/class.hpp>

#include <nori/store/json_codec.hpp>
#include <nori/store/json_upcasting.hpp>

#include "bank.hpp"

namespace bank::version_1 {

namespace {

struct account_opened {
  money amount;
};
BOOST_DESCRIBE_STRUCT(account_opened, (), (amount))

}  // namespace

boost::asio::awaitable<bool> open_account(nori::event_store& store, std::string name,
                                          money amount) {
  const nori::event opened = nori::encode(nori::json_codec(), account_opened{amount});
  const std::string stream = stream_of(name);
  const nori::event_view what{.type = opened.type, .data = opened.data, .version = opened.version};
  const nori::append_result done =
      co_await store.append(stream, nori::expected_revision::no_stream(), what);
  co_return done.has_value();
}

std::shared_ptr<const nori::upcasters> to_version_2() {
  auto all = std::make_shared<nori::upcasters>();
  for (const char* const type : {"account_opened", "money_deposited", "money_withdrawn"}) {
    all->add(type, 1, nori::json_upcasting::add_member("currency", "USD"));
  }
  return all;
}

}  // namespace bank::version_1
