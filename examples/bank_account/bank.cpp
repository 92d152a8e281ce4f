#include "bank.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include <nori/store/decoder.hpp>

#include "version_1.hpp"

namespace bank {

namespace {

constexpr std::string_view stream_prefix = "account-";

}  // namespace

asio::awaitable<std::unique_ptr<opened_bank>> open_bank(std::filesystem::path dir,
                                                        nori::access access) {
  auto made = std::make_unique<opened_bank>();
  made->metrics = std::make_shared<nori::prometheus_exporter>();
  nori::store_config options(dir);
  options.log.access = access;
  options.log.meter = made->metrics;
  // Events are acknowledged once they are written; sync() is what a caller waits for.
  options.log.fsync = nori::fsync_policy::batch(std::chrono::milliseconds(5));
  // A bank of this size needs little room.
  options.log.segment_bytes_max = std::uint64_t{1} << 20;
  options.log.buffer_bytes_max = std::size_t{256} << 10;
  nori::event_store::opened opened = co_await nori::event_store::open(options);
  made->store = std::move(opened.store);
  made->recovered = std::move(opened.recovered);
  if (access == nori::access::read_write) {
    nori::snapshot_config where(dir / "snapshots");
    where.meter = made->metrics;
    made->snapshots =
        std::make_shared<nori::snapshot_store>(co_await nori::snapshot_store::open(where));
  }
  co_return made;
}

accounts opened_bank::handler() {
  accounts::options how{std::string(stream_prefix)};
  how.upcasting = version_1::to_version_2();
  how.meter = metrics;
  how.snapshots = snapshots;
  // Far too often for a real bank, so that the third run of the demonstration uses one.
  how.snapshot_every_events = 5;
  return accounts(store, std::move(how));
}

std::string stream_of(std::string_view name) {
  return std::string(stream_prefix) + std::string(name);
}

std::string_view name_of(std::string_view stream) {
  return stream.starts_with(stream_prefix) ? stream.substr(stream_prefix.size()) : stream;
}

account_event event_of(const nori::recorded_event& stored) {
  static const nori::decoder<account_event, nori::json_codec> decoder(nori::json_codec(),
                                                                      version_1::to_version_2());
  std::optional<account_event> found;
  decoder.decode(stored, [&](account_event what, nori::event_part) { found = std::move(what); });
  // None of the upcasters drops or splits an event.
  return std::move(found).value();
}

}  // namespace bank
