// What is kept beside the events survives with them.

#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <nori/store/event_store.hpp>
#include <nori/testing/simulated_disk.hpp>

#include "suites/simulate/log_world.hpp"

namespace nori::simulate {

namespace {

using testing::power_cut;
using testing::simulated_disk;

struct lived {
  std::optional<event_store> store;
  std::uint64_t next = 0;
};

asio::awaitable<void> open_into(store_config how, std::shared_ptr<lived> into) {
  event_store::opened opened = co_await event_store::open(how);
  into->store.emplace(std::move(opened.store));
  into->next = into->store->next_global_position();
}

// Appends, and keeps how far somebody has read what is not durable yet.
asio::awaitable<void> append_and_keep(std::shared_ptr<lived> of, bool derives) {
  for (int i = 0; i != 3; ++i) {
    const event what("type", "data");
    static_cast<void>(co_await of->store->append("stream", expected_revision::any(), {&what, 1}));
  }
  if (derives) {
    derived view;
    view.through = 2;
    co_await of->store->save_derived("view", std::move(view));
  } else {
    co_await of->store->save_checkpoint("reader", 2);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(checkpoints_and_power_cuts)

BOOST_AUTO_TEST_CASE(what_a_checkpoint_covers_survives_with_it) {
  for (const fsync_policy policy :
       {fsync_policy::os(), fsync_policy::batch(std::chrono::milliseconds(5))}) {
    for (const bool derives : {false, true}) {
      simulated_disk disk(1);
      store_config settings("store");
      settings.log.storage = disk.storage();
      settings.log.fsync = policy;
      settings.log.segment_bytes_max = segment_bytes_lowest;
      settings.log.buffer_bytes_max = buffer_bytes_lowest;
      asio::io_context io;
      const auto first = std::make_shared<lived>();
      finish(disk, io, open_into(settings, first));
      finish(disk, io, append_and_keep(first, derives));
      simulated_disk cut = disk.after_power_cut(power_cut::nothing_arrives(), 1);
      settings.log.storage = cut.storage();
      asio::io_context after;
      const auto second = std::make_shared<lived>();
      finish(cut, after, open_into(settings, second));
      BOOST_TEST(second->next == 3u);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::simulate
