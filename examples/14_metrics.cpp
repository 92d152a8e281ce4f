// What a service shows its monitoring: the exporter for Prometheus, and a meter of one's own.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <nori/store/metrics.hpp>

#include "example.hpp"

namespace {

// Counts conflicts and passes everything on. Called on whichever thread does the work.
class conflict_counter final : public nori::meter {
 public:
  explicit conflict_counter(std::shared_ptr<nori::meter> next) : next_(std::move(next)) {}

  void add(const nori::metric& counter, std::uint64_t delta,
           std::string_view label) noexcept override {
    if (&counter == &nori::metrics::store_conflicts) conflicts_ += delta;
    next_->add(counter, delta, label);
  }
  void set(const nori::metric& gauge, double value, std::string_view label) noexcept override {
    next_->set(gauge, value, label);
  }
  void observe(const nori::metric& histogram, double value,
               std::string_view label) noexcept override {
    next_->observe(histogram, value, label);
  }
  [[nodiscard]] std::uint64_t conflicts() const noexcept { return conflicts_; }

 private:
  std::shared_ptr<nori::meter> next_;
  std::atomic<std::uint64_t> conflicts_ = 0;
};

asio::awaitable<void> show(nori::store_config options) {
  auto prometheus = std::make_shared<nori::prometheus_exporter>();
  auto counting = std::make_shared<conflict_counter>(prometheus);
  options.log.meter = counting;
  auto [store, recovered] = co_await nori::event_store::open(options);
  const nori::event_view opened{.type = "opened"};
  int refused = 0;
  for (int i = 0; i < 5; ++i) {
    const nori::append_result result =
        co_await store.append("door", nori::expected_revision::no_stream(), opened);
    if (!result) ++refused;
  }
  co_await store.close();

  // What a scrape of /metrics is answered with, as prometheus_exporter::content_type.
  const std::string text = prometheus->text();
  std::cout << text;
  check(refused == 4 && counting->conflicts() == 4);
  check(text.find("\nnori_store_events_total 1\n") != std::string::npos);
  check(text.find("\nnori_store_conflicts_total{kind=\"wrong_revision\"} 4\n") !=
        std::string::npos);
  check(text.find("\nnori_wal_records_total 1\n") != std::string::npos);
}

}  // namespace

int main(int argc, char* argv[]) { return run(argc, argv, show); }
