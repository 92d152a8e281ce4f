// bench: which fsync policy fits this disk, from what nori-bench measures on it.

#include <boost/json/parse.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>

#include "program.hpp"
#include "recommendation.hpp"
#include "verbs/verbs.hpp"

namespace nori::cli {

namespace {

constexpr std::string_view measuring_program = "nori-bench";

std::string last_line_of(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  const auto begin = text.rfind('\n');
  return printable(begin == std::string_view::npos ? text : text.substr(begin + 1));
}

policies_report measure_policies(const arguments& with, const std::string& dir) {
  const auto program = find_program(std::string(measuring_program));
  if (!program) {
    throw stop(
        status_not_there, "nori-bench is neither beside nori nor on the PATH",
        "it comes with nori where that is built with NORI_BUILD_BENCH=ON; or run it yourself: "
        "nori-bench policies --dir " +
            dir);
  }
  progress_line progress(with, "measuring");
  const auto began = std::chrono::steady_clock::now();
  const auto total = static_cast<std::uint64_t>(std::ceil(with.seconds));
  const auto tick = [&] {
    const auto passed =
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - began);
    // It takes a little longer than it was told: what is left is never nothing.
    progress.count(std::min(static_cast<std::uint64_t>(passed.count()), total - 1), total);
  };
  const std::vector<std::string> words{
      "policies", "--dir",  dir,         "--seconds", std::to_string(with.seconds),
      "--sizes",  "100",    "--writers", "1,64",      "--log-sizes",
      "none",     "--json", "-"};
  const ended_program done = run_program(*program, words, tick);
  if (done.status != 0) {
    throw stop(status_failed,
               program->string() + " ended with " + std::to_string(done.status) +
                   (done.error.empty() ? "" : ": " + last_line_of(done.error)),
               "see what it says: " + program->string() + " policies --dir " + dir);
  }
  try {
    return read_policies_report(done.out);
  } catch (const std::exception& error) {
    throw stop(status_failed,
               "what " + program->string() + " wrote can't be used: " + printable(error.what()),
               "nori and nori-bench have to be of the same version");
  }
}

void print_report(const policies_report& report, const recommendation& chosen, output& to) {
  to.line("disk       " + report.file_system +
          (report.device.empty() ? "" : " on " + report.device) +
          (report.direct_io ? "" : ", without direct I/O") + "; records of 100 bytes");
  to.line("");
  table rows({"policy", "alone: p50", "p99", "appends/s", "64 at once: p50", "p99", "appends/s",
              "a power cut takes"});
  const auto rate_of = [](double per_second) {
    return count_text(static_cast<std::uint64_t>(per_second));
  };
  for (const policy_figures& each : report.policies) {
    rows.add({each.name, microseconds_text(each.alone.p50_us), microseconds_text(each.alone.p99_us),
              rate_of(each.alone.per_second), microseconds_text(each.together.p50_us),
              microseconds_text(each.together.p99_us), rate_of(each.together.per_second),
              lost_in_a_power_cut(each.name)});
  }
  rows.print(to, {1, 2, 3, 4, 5, 6});
  to.line("");
  if (chosen.policy.empty()) {
    to.line(to.tinted(tint::warning, "recommended  nothing, on these figures"));
  } else {
    to.line("recommended  " + to.tinted(tint::good, chosen.policy) +
            "    config.fsync = " + in_a_program(chosen.policy));
  }
  for (const std::string& each : chosen.why) to.line("  " + each);
  for (const std::string& each : report.warnings) {
    to.line(to.tinted(tint::warning, "warning: ") + printable(each));
  }
}

boost::json::object json_of_policies(const policies_report& report, const recommendation& chosen,
                                     const std::string& dir) {
  boost::json::object made;
  made["dir"] = dir;
  if (chosen.policy.empty()) {
    made["recommended"] = nullptr;
  } else {
    made["recommended"] = chosen.policy;
  }
  made["why"] = boost::json::array(chosen.why.begin(), chosen.why.end());
  boost::json::array policies;
  const auto put = [](boost::json::object& one, const std::string& name, const load_figures& of) {
    boost::json::object figures;
    figures["p50_us"] = of.p50_us;
    figures["p99_us"] = of.p99_us;
    figures["appends_per_second"] = of.per_second;
    one[name] = std::move(figures);
  };
  for (const policy_figures& each : report.policies) {
    boost::json::object one;
    one["policy"] = each.name;
    one["a_power_cut_takes"] = lost_in_a_power_cut(each.name);
    put(one, "alone", each.alone);
    put(one, "together", each.together);
    policies.push_back(std::move(one));
  }
  made["policies"] = std::move(policies);
  made["warnings"] = boost::json::array(report.warnings.begin(), report.warnings.end());
  made["machine"] = report.machine;
  return made;
}

}  // namespace

asio::awaitable<int> bench(const arguments& with, output& to) {
  const std::string dir = with.dir.empty() ? "." : with.dir;
  std::error_code ignored;
  if (!std::filesystem::is_directory(dir, ignored)) {
    throw stop(status_not_there, dir + " is no directory",
               "name one on the disk that the service's log will lie on");
  }
  const policies_report report = measure_policies(with, dir);
  const recommendation chosen = recommend(report, with.rate);
  if (with.json) {
    to.json(json_of_policies(report, chosen, dir));
  } else {
    print_report(report, chosen, to);
  }
  co_return status_done;
}

}  // namespace nori::cli
