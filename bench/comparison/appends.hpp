#ifndef NORI_BENCH_COMPARISON_APPENDS_HPP
#define NORI_BENCH_COMPARISON_APPENDS_HPP

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "common/machine.hpp"
#include "common/measure.hpp"
#include "common/report.hpp"
#include "common/site.hpp"
#include "peers/peer.hpp"
#include "workload/log_appends.hpp"

namespace nori::bench {

/// One of those that took turns, and what it came to.
struct append_side {
  std::string key;       ///< in the JSON
  std::string name;      ///< in the table
  std::string how;       ///< a sentence
  std::string survives;  ///< what an acknowledged record does
  figures found;
  ratios to_raw;
};

/// The same appends by nori, by raw loops and by peers, in interleaved rounds.
struct append_comparison {
  append_load load;
  std::size_t frame_bytes = 0;
  nori::backend backend = nori::backend::automatic;
  std::uint64_t raw_records_per_write = 0;
  std::vector<append_side> sides;  ///< nori, raw, growing, and then the peers
  std::vector<std::string> warnings;

  append_comparison() = default;
  [[nodiscard]] const append_side& ours() const { return sides[0]; }
  [[nodiscard]] const append_side& raw() const { return sides[1]; }
  [[nodiscard]] const append_side& growing() const { return sides[2]; }
};

struct comparing {
  const machine& here;
  const std::filesystem::path& scratch;
  std::uint64_t rounds;
  double seconds;
  progress& shown;
};

[[nodiscard]] append_comparison compare_appends(const append_load& load,
                                                const std::vector<peer_kind>& peers,
                                                const comparing& how);

/// Ours at the top; "raw", "growing" and "peers" within.
[[nodiscard]] json::object to_json(const append_comparison& of);

/// A comparison with where it was made and what is to be doubted of it.
struct append_report : conditions {
  append_comparison found;

  append_report() = default;
};
[[nodiscard]] append_report report_appends(const append_load& load,
                                           const std::vector<peer_kind>& peers,
                                           const run_options& run);
[[nodiscard]] json::object to_json(std::string_view verb, const run_options& run,
                                   const append_report& of);

/// "always, 100 B records, 64 writers on 1 thread".
[[nodiscard]] std::string load_text(const append_load& load);

// Options that several verbs have.
void add_load_options(option_table& table, append_load& to);
void check(const append_load& load);

}  // namespace nori::bench

#endif
