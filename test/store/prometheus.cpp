#include <nori/store/prometheus.hpp>

#include <boost/test/unit_test.hpp>

#include <sys/wait.h>

#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <limits>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <nori/error.hpp>
#include <nori/store/handler_metrics.hpp>
#include <nori/store/metrics.hpp>

#include "support/random_source.hpp"

namespace nori::test {
namespace {

using labels = std::map<std::string, std::string>;

// A strict reader of the text format: what it does not know is an error.
struct exposition {
  std::map<std::string, std::string> types;
  std::map<std::string, std::string> help;
  std::map<std::pair<std::string, labels>, double> samples;

  [[nodiscard]] double value(const std::string& name, const labels& with = {}) const {
    const auto found = samples.find({name, with});
    return found != samples.end() ? found->second : std::numeric_limits<double>::quiet_NaN();
  }
};

class parser {
 public:
  explicit parser(std::string_view text) : text_(text) {}

  exposition parse() {
    if (!text_.empty() && text_.back() != '\n') fail("the last line does not end");
    while (!text_.empty()) {
      if (text_.starts_with("# HELP ")) {
        skip("# HELP ");
        family_ = name(true);
        skip(" ");
        if (!result_.help.emplace(family_, line()).second) fail("a second HELP");
        skip("# TYPE " + family_ + ' ');
        const std::string type = line();
        if (type != "counter" && type != "gauge" && type != "histogram") fail("type " + type);
        if (!result_.types.emplace(family_, type).second) fail("a second TYPE");
      } else {
        sample();
      }
    }
    check_histograms();
    return std::move(result_);
  }

 private:
  [[noreturn]] void fail(const std::string& why) const {
    throw std::runtime_error(why + " at: " + std::string(text_.substr(0, 60)));
  }
  void skip(std::string_view what) {
    if (!text_.starts_with(what)) fail("expected " + std::string(what));
    text_.remove_prefix(what.size());
  }
  std::string line() {
    const std::size_t end = text_.find('\n');
    const std::string result(text_.substr(0, end));
    text_.remove_prefix(end + 1);
    return result;
  }
  std::string name(bool colons) {
    std::size_t n = 0;
    while (n < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[n])) != 0 ||
                                text_[n] == '_' || (colons && text_[n] == ':'))) {
      ++n;
    }
    if (n == 0 || std::isdigit(static_cast<unsigned char>(text_[0])) != 0) fail("expected a name");
    const std::string result(text_.substr(0, n));
    text_.remove_prefix(n);
    return result;
  }
  std::string quoted() {
    skip("\"");
    std::string result;
    for (;;) {
      if (text_.empty() || text_[0] == '\n') fail("a label value that does not end");
      const char c = text_[0];
      text_.remove_prefix(1);
      if (c == '"') return result;
      if (c != '\\') {
        result += c;
        continue;
      }
      if (text_.empty()) fail("an escape that does not end");
      const char escaped = text_[0];
      text_.remove_prefix(1);
      if (escaped == 'n') {
        result += '\n';
      } else if (escaped == '\\' || escaped == '"') {
        result += escaped;
      } else {
        fail("an unknown escape");
      }
    }
  }
  double number(std::string_view text) const {
    if (text == "+Inf") return HUGE_VAL;
    if (text == "-Inf") return -HUGE_VAL;
    if (text == "NaN") return std::nan("");
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) {
      fail("not a number: " + std::string(text));
    }
    return value;
  }
  void sample() {
    const std::string what = name(true);
    const bool histogram = result_.types[family_] == "histogram";
    if (histogram
            ? what != family_ + "_bucket" && what != family_ + "_sum" && what != family_ + "_count"
            : what != family_) {
      fail(what + " is not of " + family_);
    }
    labels with;
    if (text_.starts_with("{")) {
      skip("{");
      for (;;) {
        const std::string label = name(false);
        skip("=");
        if (!with.emplace(label, quoted()).second) fail("a second label " + label);
        if (text_.starts_with("}")) break;
        skip(",");
      }
      skip("}");
    }
    skip(" ");
    const double value = number(line());
    if (!result_.samples.emplace(std::pair(what, with), value).second) fail("a second " + what);
  }
  void check_histograms() {
    for (const auto& [key, value] : result_.samples) {
      const auto& [what, with] = key;
      if (!what.ends_with("_count") ||
          result_.types[what.substr(0, what.size() - 6)] != "histogram") {
        continue;
      }
      const std::string stem = what.substr(0, what.size() - 6);
      std::map<double, double> buckets;
      for (const auto& [other, count] : result_.samples) {
        labels rest = other.second;
        if (other.first != stem + "_bucket") continue;
        const double bound = number(rest.at("le"));
        rest.erase("le");
        if (rest == with) buckets[bound] = count;
      }
      double before = 0;
      for (const auto& [bound, count] : buckets) {
        if (count < before) fail("buckets that fall");
        before = count;
      }
      if (buckets.empty() || !std::isinf(buckets.rbegin()->first) || before != value) {
        fail("the last bucket is not the count");
      }
    }
  }

  std::string_view text_;
  std::string family_;
  exposition result_;
};

exposition parsed(const prometheus_exporter& from) {
  const std::string text = from.text();
  return parser(text).parse();
}

constexpr metric plain{"test_things_total", "Things.", metric::kind::counter};
constexpr metric labelled{"test_named_total", "Named \\ things,\nin two lines.",
                          metric::kind::counter, "name"};
constexpr metric level{"test_level", "Level.", metric::kind::gauge};
constexpr metric seconds{"test_wait_seconds", "Wait.", metric::kind::histogram, "name"};
constexpr metric sizes{"test_size_bytes", "Size.", metric::kind::histogram};
constexpr metric numbers{"test_batch_events", "Batch.", metric::kind::histogram};

}  // namespace

BOOST_AUTO_TEST_SUITE(prometheus)

BOOST_AUTO_TEST_CASE(nothing_measured_is_nothing_shown) {
  BOOST_TEST(prometheus_exporter().text().empty());
}

BOOST_AUTO_TEST_CASE(counters_add_up_and_gauges_are_replaced) {
  prometheus_exporter to;
  to.add(plain, 2, {});
  to.add(plain, 40, "a label that the metric does not have");
  to.add(labelled, 1, "a");
  to.add(labelled, 5, "b");
  to.add(labelled, 1, "a");
  to.add(labelled, 0, "");
  to.set(level, 3, {});
  to.set(level, -0.25, {});
  const exposition shown = parsed(to);
  BOOST_TEST(shown.value("test_things_total") == 42);
  BOOST_TEST(shown.value("test_named_total", {{"name", "a"}}) == 2);
  BOOST_TEST(shown.value("test_named_total", {{"name", "b"}}) == 5);
  BOOST_TEST(shown.value("test_named_total", {{"name", ""}}) == 0);
  BOOST_TEST(shown.value("test_level") == -0.25);
  BOOST_TEST(shown.samples.size() == 5u);
  BOOST_TEST(shown.types.at("test_level") == "gauge");
  BOOST_TEST(shown.help.at("test_named_total") == R"(Named \\ things,\nin two lines.)");
}

BOOST_AUTO_TEST_CASE(large_counts_and_odd_values_are_shown_exactly) {
  prometheus_exporter to;
  to.add(plain, UINT64_MAX, {});
  BOOST_TEST(to.text().find("test_things_total 18446744073709551615\n") != std::string::npos);
  for (const double value : {1e300, 5e-324, 0.1, 1e21, -1.0 / 3}) {
    to.set(level, value, {});
    BOOST_TEST(parsed(to).value("test_level") == value);
  }
  to.set(level, -HUGE_VAL, {});
  BOOST_TEST(to.text().find("test_level -Inf\n") != std::string::npos);
  to.set(level, std::nan(""), {});
  BOOST_TEST(to.text().find("test_level NaN\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(histograms_count_what_is_at_most_the_bound) {
  prometheus_exporter to;
  for (const double value : {1e-5, 1.1e-5, 0.2, 10.0, 11.0}) to.observe(seconds, value, "x");
  to.observe(seconds, std::nan(""), "x");
  const exposition shown = parsed(to);
  const auto bucket = [&](const char* le) {
    return shown.value("test_wait_seconds_bucket", {{"name", "x"}, {"le", le}});
  };
  BOOST_TEST(bucket("1e-05") == 1);
  BOOST_TEST(bucket("2.5e-05") == 2);
  BOOST_TEST(bucket("0.1") == 2);
  BOOST_TEST(bucket("0.25") == 3);
  BOOST_TEST(bucket("10") == 4);
  BOOST_TEST(bucket("+Inf") == 5);
  BOOST_TEST(shown.value("test_wait_seconds_count", {{"name", "x"}}) == 5);
  BOOST_TEST(std::abs(shown.value("test_wait_seconds_sum", {{"name", "x"}}) - 21.200021) < 1e-9);
}

BOOST_AUTO_TEST_CASE(buckets_go_by_the_unit_or_are_given) {
  prometheus_options options;
  options.buckets["test_batch_events"] = {5, 50};
  prometheus_exporter to(options);
  to.observe(sizes, 100, {});
  to.observe(numbers, 5, {});
  to.observe(numbers, 51, {});
  const exposition shown = parsed(to);
  BOOST_TEST(shown.value("test_size_bytes_bucket", {{"le", "64"}}) == 0);
  BOOST_TEST(shown.value("test_size_bytes_bucket", {{"le", "256"}}) == 1);
  BOOST_TEST(shown.value("test_size_bytes_bucket", {{"le", "67108864"}}) == 1);
  BOOST_TEST(shown.value("test_batch_events_bucket", {{"le", "5"}}) == 1);
  BOOST_TEST(shown.value("test_batch_events_bucket", {{"le", "50"}}) == 1);
  BOOST_TEST(shown.value("test_batch_events_bucket", {{"le", "+Inf"}}) == 2);
  for (const std::vector<double>& bad :
       {std::vector<double>{1, 1}, {2, 1}, {1, HUGE_VAL}, {std::nan("")}}) {
    options.buckets["x"] = bad;
    BOOST_CHECK_THROW(prometheus_exporter{options}, boost::system::system_error);
  }
  options.buckets.clear();
  options.label_values_max = 0;
  BOOST_CHECK_THROW(prometheus_exporter{options}, boost::system::system_error);
}

BOOST_AUTO_TEST_CASE(any_bytes_may_be_in_a_label_value) {
  prometheus_exporter to;
  const std::vector<std::pair<std::string, std::string>> shown_as{
      {"a\"b\\c\nd", "a\"b\\c\nd"},
      {"{le=\"1\"} 5\n# HELP", "{le=\"1\"} 5\n# HELP"},
      {"\xc3\xa9t\xc3\xa9 \xf0\x9f\x90\x9f", "\xc3\xa9t\xc3\xa9 \xf0\x9f\x90\x9f"},
      {"\xff\xc3", "\\xff\\xc3"},
      {"\xed\xa0\x80", "\\xed\\xa0\\x80"},
      {"\xc0\x80", "\\xc0\\x80"}};
  for (const auto& each : shown_as) to.add(labelled, 1, each.first);
  // Looks like another one: counted as one.
  to.add(labelled, 1, "\\xff\\xc3");
  exposition shown = parsed(to);
  BOOST_TEST(shown.samples.size() == shown_as.size());
  for (const auto& each : shown_as) {
    BOOST_TEST(shown.value("test_named_total", {{"name", each.second}}) ==
               (each.second == "\\xff\\xc3" ? 2 : 1));
  }
  random_source random;
  for (int i = 0; i < 100; ++i) to.add(labelled, 1, random.text(random.below(20)));
  BOOST_CHECK_NO_THROW(parsed(to));
}

BOOST_AUTO_TEST_CASE(label_values_beyond_the_limit_are_others) {
  prometheus_options options;
  options.label_values_max = 3;
  prometheus_exporter to(options);
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 10; ++i) to.add(labelled, 1, std::to_string(i));
  }
  const exposition shown = parsed(to);
  BOOST_TEST(shown.samples.size() == 4u);
  BOOST_TEST(shown.value("test_named_total", {{"name", "2"}}) == 2);
  BOOST_TEST(shown.value("test_named_total", {{"name", "other"}}) == 14);
}

BOOST_AUTO_TEST_CASE(two_descriptors_of_one_name_are_one_metric) {
  static constexpr metric again{"test_things_total", "Things, again.", metric::kind::counter};
  static constexpr metric another_kind{"test_things_total", "A level.", metric::kind::gauge};
  prometheus_exporter to;
  to.add(plain, 1, {});
  to.add(again, 1, {});
  to.set(another_kind, 7, {});
  to.observe(plain, 7, {});
  BOOST_TEST(parsed(to).value("test_things_total") == 2);
}

BOOST_AUTO_TEST_CASE(more_metrics_than_there_is_room_for_are_lost) {
  std::vector<std::string> names;
  std::vector<metric> many;
  for (std::size_t i = 0; i < prometheus_exporter::metrics_max + 10; ++i) {
    names.push_back("test_" + std::to_string(i) + "_total");
  }
  for (const std::string& each : names) many.push_back({each, "One.", metric::kind::counter});
  prometheus_exporter to;
  for (int round = 0; round < 2; ++round) {
    for (const metric& each : many) to.add(each, 1, {});
  }
  const exposition shown = parsed(to);
  BOOST_TEST(shown.samples.size() == prometheus_exporter::metrics_max);
  for (const auto& each : shown.samples) BOOST_TEST(each.second == 2);
}

BOOST_AUTO_TEST_CASE(measuring_from_many_threads_loses_nothing) {
  prometheus_exporter to;
  constexpr int threads = 4;
  const auto rounds = static_cast<std::uint64_t>(scaled(20000));
  std::vector<std::thread> running;
  for (int t = 0; t < threads; ++t) {
    running.emplace_back([&] {
      for (std::uint64_t i = 0; i < rounds; ++i) {
        to.add(plain, 1, {});
        to.add(labelled, 1, std::to_string(i % 50));
        to.observe(seconds, 0.5, std::to_string(i % 7));
        // Throws, and so ends the test, where it can't be read.
        if (i % 1000 == 0) static_cast<void>(parsed(to));
      }
    });
  }
  for (std::thread& each : running) each.join();
  const exposition shown = parsed(to);
  const auto all = static_cast<double>(threads * rounds);
  BOOST_TEST(shown.value("test_things_total") == all);
  double named = 0;
  double observed = 0;
  for (const auto& [key, value] : shown.samples) {
    if (key.first == "test_named_total") named += value;
    if (key.first == "test_wait_seconds_count") observed += value;
  }
  BOOST_TEST(named == all);
  BOOST_TEST(observed == all);
}

namespace {

const std::vector<const metric*>& all_metrics() {
  using namespace metrics;
  static const std::vector<const metric*> all{&wal_records,
                                              &wal_bytes,
                                              &wal_writes,
                                              &wal_write_records,
                                              &wal_write_bytes,
                                              &wal_syncs,
                                              &wal_sync_seconds,
                                              &wal_queue_records,
                                              &wal_queue_bytes,
                                              &wal_rotations,
                                              &wal_segments,
                                              &wal_segments_deleted,
                                              &wal_recovery_seconds,
                                              &wal_recovered_records,
                                              &wal_truncated_bytes,
                                              &wal_failures,
                                              &store_events,
                                              &store_events_by_type,
                                              &store_appends,
                                              &store_conflicts,
                                              &store_repeated_appends,
                                              &store_append_seconds,
                                              &store_next_global_position,
                                              &store_events_read,
                                              &store_stream_lookups,
                                              &store_index_pages,
                                              &store_index_cache_bytes,
                                              &store_index_rebuilds,
                                              &store_subscription_lag,
                                              &store_checkpoint_saves,
                                              &store_checkpoints_ignored,
                                              &projection_lag,
                                              &projection_events,
                                              &projection_saves,
                                              &projection_rebuilds,
                                              &projection_views_ignored,
                                              &group_deliveries,
                                              &group_redeliveries,
                                              &group_poisonous,
                                              &group_unacknowledged,
                                              &commands,
                                              &command_cache,
                                              &command_conflicts,
                                              &command_retries,
                                              &command_events_read,
                                              &snapshot_age_events,
                                              &snapshot_age_seconds,
                                              &snapshots_saved,
                                              &snapshot_save_failures,
                                              &handler_snapshot_failures,
                                              &snapshots_loaded,
                                              &snapshots_missed,
                                              &snapshots_ignored};
  return all;
}

void measure_everything(prometheus_exporter& to) {
  for (const metric* const each : all_metrics()) {
    const std::string_view label = each->label.empty() ? "" : "some \"name\"\n\\";
    if (each->is == metric::kind::counter) to.add(*each, 3, label);
    if (each->is == metric::kind::gauge) to.set(*each, 1.5, label);
    if (each->is == metric::kind::histogram) to.observe(*each, 0.25, label);
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_names_of_what_nori_measures_are_fit) {
  prometheus_exporter to;
  measure_everything(to);
  const exposition shown = parsed(to);
  BOOST_TEST(shown.types.size() == all_metrics().size());
  for (const metric* const each : all_metrics()) {
    BOOST_TEST(each->name.starts_with("nori_"), each->name);
    BOOST_TEST((each->is == metric::kind::counter) == each->name.ends_with("_total"), each->name);
    BOOST_TEST(each->help.ends_with('.'), each->name);
  }
}

namespace {

// 0: it is fine. 1: it can't be read. 3: it can, and a name does not suit promtool's taste.
int promtool_says(const std::string& text) {
  std::FILE* const pipe = ::popen("promtool check metrics 1>&2", "w");
  BOOST_TEST_REQUIRE(pipe != nullptr);
  BOOST_TEST(std::fwrite(text.data(), 1, text.size(), pipe) == text.size());
  const int status = ::pclose(pipe);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

BOOST_AUTO_TEST_CASE(promtool_accepts_it) {
  if (std::system("command -v promtool >/dev/null 2>&1") != 0) {
    std::cout << "SKIP promtool_accepts_it: promtool (Debian package prometheus) is not on PATH"
              << std::endl;
    return;
  }
  prometheus_exporter to;
  measure_everything(to);
  BOOST_TEST(promtool_says(to.text()) == 0);
  // That it would have said otherwise.
  BOOST_TEST(promtool_says(to.text() + "nori_things_total{name=} 1\n") == 1);
  BOOST_TEST(promtool_says("# TYPE nori_things counter\nnori_things 1\n") == 3);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::test
