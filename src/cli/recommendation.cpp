#include "recommendation.hpp"

#include <boost/json/parse.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "monitoring/figures_text.hpp"
#include "output.hpp"

namespace nori::cli {

namespace {

// No disk syncs in less: something on the way ignores it. As nori-bench has it.
constexpr double durable_write_us_min = 20;

// Without a rate: what an append under always may take, and what has to be possible.
constexpr double usual_p99_us_max = 50e3;
constexpr double usual_rate = 1000;
// Not more than half of what was measured: another day the disk is slower.
constexpr double spare_factor = 2;

load_figures load_of(const boost::json::object& cell) {
  load_figures made;
  made.per_second = cell.at("records_per_s").to_number<double>();
  made.p50_us = cell.at("p50_us").to_number<double>();
  made.p99_us = cell.at("p99_us").to_number<double>();
  if (!(made.per_second > 0 && made.per_second < 1e15)) {
    throw std::runtime_error("a policy without appends");
  }
  return made;
}

std::string per_second_text(double rate) {
  return count_text(static_cast<std::uint64_t>(rate)) + "/s";
}

// What a policy costs and what it keeps, in a sentence.
std::string in_words(const policy_figures& of) {
  return of.name + ": alone, an append takes " + microseconds_text(of.alone.p50_us) + " (" +
         microseconds_text(of.alone.p99_us) + " one time in a hundred); 64 at a time reach " +
         per_second_text(of.together.per_second) + "; " +
         (of.name == "always"
              ? "neither a killed process nor a power cut loses what was acknowledged"
              : "a killed process loses nothing acknowledged, a power cut " +
                    lost_in_a_power_cut(of.name));
}

bool in_memory(const policies_report& of) {
  return of.file_system == "tmpfs" || of.file_system == "ramfs";
}

bool fits(const policy_figures& each, std::optional<double> rate) {
  if (rate) return each.together.per_second >= spare_factor * *rate;
  return each.together.per_second >= usual_rate && each.alone.p99_us <= usual_p99_us_max;
}

}  // namespace

policies_report read_policies_report(std::string_view json) {
  const boost::json::value parsed = boost::json::parse(json);
  const boost::json::object& all = parsed.as_object();
  policies_report made;
  made.machine = all.at("machine").as_object();
  made.file_system = made.machine.at("file_system").as_string();
  made.device = made.machine.at("device").as_string();
  made.direct_io = made.machine.at("direct_io").as_bool();
  for (const auto& each : all.at("warnings").as_array()) {
    made.warnings.emplace_back(each.as_string());
  }
  for (const auto& each : all.at("cells").as_array()) {
    const boost::json::object& cell = each.as_object();
    const boost::json::object& options = cell.at("options").as_object();
    const std::string name(options.at("policy").as_string());
    auto found = std::find_if(made.policies.begin(), made.policies.end(),
                              [&](const policy_figures& one) { return one.name == name; });
    if (found == made.policies.end()) {
      found = made.policies.insert(made.policies.end(), policy_figures{name, {}, {}});
    }
    (options.at("writers").to_number<double>() == 1 ? found->alone : found->together) =
        load_of(cell);
    if (name != "always") continue;
    for (const char* const loop : {"raw", "growing"}) {
      const double us = cell.at(loop).at("p50_us").to_number<double>();
      made.durable_write_us =
          std::min(us, made.durable_write_us.value_or(std::numeric_limits<double>::infinity()));
    }
  }
  for (const policy_figures& each : made.policies) {
    if (each.alone.per_second == 0 || each.together.per_second == 0) {
      throw std::runtime_error("only a part of " + each.name + " was measured");
    }
  }
  if (made.policies.empty()) throw std::runtime_error("no policy was measured");
  return made;
}

recommendation recommend(const policies_report& of, std::optional<double> rate) {
  recommendation made;
  if (in_memory(of)) {
    made.why.push_back(of.file_system +
                       " lies in memory, and nothing on it survives a power cut under any policy: "
                       "measure a directory on the disk that the service will use");
    return made;
  }
  if (of.durable_write_us && *of.durable_write_us < durable_write_us_min) {
    made.why.push_back("a durable write took " + microseconds_text(*of.durable_write_us) +
                       ": no disk is that fast, so something on the way ignores the flush, and "
                       "always would keep no more than os; find out what it is first");
    return made;
  }
  const auto chosen = std::find_if(of.policies.begin(), of.policies.end(),
                                   [&](const policy_figures& each) { return fits(each, rate); });
  for (auto each = of.policies.begin(); each != chosen; ++each) {
    made.why.push_back(
        each->name + " is too slow here: " +
        (rate ? "64 appends at a time reach " + per_second_text(each->together.per_second) +
                    ", and " + per_second_text(*rate) + " should be at most half of that"
              : "one append in a hundred takes " + microseconds_text(each->alone.p99_us) +
                    " or more, and 64 at a time reach " +
                    per_second_text(each->together.per_second)));
  }
  if (chosen == of.policies.end()) {
    made.why.emplace_back(
        "no policy is fast enough: append several records at a time (append_batch), spread them "
        "over several logs on several disks, or take a faster disk");
    return made;
  }
  made.policy = chosen->name;
  made.why.push_back(in_words(*chosen));
  for (auto each = std::next(chosen); each != of.policies.end(); ++each) {
    made.why.push_back(in_words(*each) + (each->name == "os"
                                              ? ": for records that can be made again"
                                              : ": for those that may be lost that way"));
  }
  return made;
}

std::string microseconds_text(double us) {
  if (us < 1) return std::to_string(std::lround(us * 1000)) + " ns";
  return seconds_text(us / 1e6);
}

std::string lost_in_a_power_cut(const std::string& policy) {
  if (policy == "always") return "nothing acknowledged";
  if (policy.starts_with("batch:") && policy.ends_with("ms")) {
    return "the last " + policy.substr(6, policy.size() - 8) + " ms";
  }
  return "what was not flushed yet";
}

std::string in_a_program(const std::string& policy) {
  if (policy == "always") return "nori::fsync_policy::always()";
  if (policy.starts_with("batch:") && policy.ends_with("ms")) {
    return "nori::fsync_policy::batch(std::chrono::milliseconds(" +
           policy.substr(6, policy.size() - 8) + "))";
  }
  return "nori::fsync_policy::os()";
}

}  // namespace nori::cli
