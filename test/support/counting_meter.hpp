#ifndef NORI_TEST_SUPPORT_COUNTING_METER_HPP
#define NORI_TEST_SUPPORT_COUNTING_METER_HPP

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include <nori/meter.hpp>

namespace nori::test {

/// Keeps what was measured, by "name/label": sums of counters, the last value of what else there
/// is.
class counting_meter final : public meter {
 public:
  void add(const metric& what, std::uint64_t delta, std::string_view label) noexcept override {
    const std::lock_guard lock(mutex_);
    counts_[key(what, label)] += delta;
  }
  void set(const metric& what, double value, std::string_view label) noexcept override {
    const std::lock_guard lock(mutex_);
    last_[key(what, label)] = value;
  }
  void observe(const metric& what, double value, std::string_view label) noexcept override {
    const std::lock_guard lock(mutex_);
    last_[key(what, label)] = value;
    ++observed_[key(what, label)];
  }

  [[nodiscard]] std::uint64_t count(const std::string& name) const { return of(counts_, name); }
  [[nodiscard]] double last(const std::string& name) const { return of(last_, name); }
  [[nodiscard]] std::uint64_t observed(const std::string& name) const {
    return of(observed_, name);
  }

 private:
  static std::string key(const metric& what, std::string_view label) {
    return std::string(what.name) + '/' + std::string(label);
  }
  template <typename Value>
  [[nodiscard]] Value of(const std::map<std::string, Value>& in, const std::string& name) const {
    const std::lock_guard lock(mutex_);
    const auto found = in.find(name);
    return found == in.end() ? Value{} : found->second;
  }

  mutable std::mutex mutex_;
  std::map<std::string, std::uint64_t> counts_;
  std::map<std::string, double> last_;
  std::map<std::string, std::uint64_t> observed_;
};

}  // namespace nori::test

#endif
