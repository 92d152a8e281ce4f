// Every row of the table that tells a torn tail from damage, and every way in which the files of a
// directory can fail to be a log.

#include "engine/recovery.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "engine_test.hpp"

using namespace nori;
using namespace nori::engine;
using namespace nori::engine::test;
using format::header_verdict;

namespace {

constexpr std::uint64_t first_id = 3;
constexpr std::uint64_t segment_count = 5;

using files = std::vector<segment_file>;

/// Segments 3 to 7, each of 10 frames that end at 9000, all of them begun.
files sound_files() {
  files all;
  for (std::uint64_t id = first_id; id != first_id + segment_count; ++id) {
    segment_file file;
    file.id = id;
    file.bytes = 12288;
    file.header.verdict = header_verdict::valid;
    format::segment_header& header = file.header.header;
    header.log = test_log;
    header.segment_id = id;
    header.first_sequence = 10 * id;
    header.records_before = 9 * id;
    header.previous_segment_id = id - 1;
    header.previous_end = 9000;
    all.push_back(file);
  }
  return all;
}

format::log_identity identity(std::uint64_t last = first_id + segment_count - 1) {
  format::log_identity made;
  made.log = test_log;
  made.first_segment_id = first_id;
  made.last_segment_id = last;
  return made;
}

segment_file unbegun_file(std::uint64_t id, header_verdict verdict = header_verdict::zero) {
  segment_file file;
  file.id = id;
  file.bytes = 65536;
  file.header.verdict = verdict;
  return file;
}

std::vector<std::uint64_t> ids(const files& of) {
  std::vector<std::uint64_t> all;
  for (const segment_file& file : of) all.push_back(file.id);
  return all;
}

bool names(const catalog& found, std::uint64_t id, const std::string& why) {
  const bool both = found.damage.find(format::segment_file_name(id)) != std::string::npos &&
                    found.damage.find(why) != std::string::npos;
  if (!both) BOOST_TEST_MESSAGE("damage: " << found.damage);
  return both;
}

using id_list = std::vector<std::uint64_t>;

}  // namespace

BOOST_AUTO_TEST_SUITE(recovery_decides)

BOOST_AUTO_TEST_CASE(the_table_has_every_combination_once) {
  for (int bits = 0; bits != 8; ++bits) {
    const end_evidence found{(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0};
    const auto same = [&](const end_rule& rule) {
      return rule.found.proof == found.proof && rule.found.batch_open == found.batch_open &&
             rule.found.rest_zero == found.rest_zero;
    };
    const auto rule = std::find_if(end_rules.begin(), end_rules.end(), same);
    BOOST_REQUIRE((rule != end_rules.end()));
    BOOST_TEST(std::count_if(end_rules.begin(), end_rules.end(), same) == 1);
    BOOST_TEST((judge_end(found) == rule->verdict));
    // Proof decides alone, and only what was never begun is clean.
    BOOST_TEST((rule->verdict == end_verdict::corruption) == found.proof);
    BOOST_TEST((rule->verdict == end_verdict::clean_end) ==
               (!found.proof && !found.batch_open && found.rest_zero));
  }
}

BOOST_AUTO_TEST_CASE(sound_files_are_a_log_in_any_order) {
  files all = sound_files();
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  do {
    const catalog found = judge_files(all, identity());
    BOOST_REQUIRE(found.damage.empty() && !found.unsupported);
    BOOST_REQUIRE((ids(found.begun) == id_list{3, 4, 5, 6, 7}));
    BOOST_REQUIRE((found.unbegun.empty() && found.deleted.empty() && found.beyond.empty()));
  } while (std::next_permutation(all.begin(), all.end(),
                                 [](const auto& a, const auto& b) { return a.id < b.id; }));
}

BOOST_AUTO_TEST_CASE(no_files_are_a_log_that_has_no_segment_yet) {
  format::log_identity fresh;
  fresh.log = test_log;
  const catalog found = judge_files({}, fresh);
  BOOST_TEST((found.damage.empty() && found.begun.empty() && found.unbegun.empty()));
}

BOOST_AUTO_TEST_CASE(any_missing_segment_is_named) {
  for (std::uint64_t id = first_id; id != first_id + segment_count; ++id) {
    files all = sound_files();
    all.erase(all.begin() + static_cast<std::ptrdiff_t>(id - first_id));
    const catalog found = judge_files(all, identity());
    BOOST_TEST(names(found, id, "is missing"));
    BOOST_TEST(found.begun.size() == id - first_id);
    BOOST_TEST(found.beyond.size() == first_id + segment_count - 1 - id);
  }
}

BOOST_AUTO_TEST_CASE(the_identity_knows_of_the_last_segment) {
  BOOST_TEST(names(judge_files(sound_files(), identity(8)), 8, "is missing"));
  files all = sound_files();
  all.push_back(unbegun_file(8));
  BOOST_TEST(judge_files(all, identity(8)).damage.empty());
  BOOST_TEST(names(judge_files(all, identity(9)), 9, "is missing"));
}

BOOST_AUTO_TEST_CASE(swapped_or_repeated_segments_are_refused) {
  for (std::size_t a = 0; a != segment_count; ++a) {
    for (std::size_t b = 0; b != segment_count; ++b) {
      if (a == b) continue;
      files swapped = sound_files();
      std::swap(swapped[a].id, swapped[b].id);
      const std::uint64_t named = first_id + std::min(a, b);
      BOOST_TEST(names(judge_files(swapped, identity()), named, "renamed"));

      files repeated = sound_files();
      repeated[b].header = repeated[a].header;
      const catalog found = judge_files(repeated, identity());
      BOOST_TEST(names(found, first_id + b, "renamed"));
      BOOST_TEST(found.begun.size() == b);
    }
  }
  // The same id twice can't be, but would not pass either.
  files twice = sound_files();
  twice.push_back(twice.front());
  BOOST_TEST(!judge_files(twice, identity()).damage.empty());
}

// What a header can say of the segment before, or of itself, that does not hold.
BOOST_AUTO_TEST_CASE(a_segment_that_does_not_belong_is_refused) {
  struct lie {
    std::string why;
    void (*tell)(segment_file& file);
    std::size_t first = 0;  ///< of the segments that it is a lie of
  };
  const lie lies[] = {
      {"belongs to another log", [](segment_file& f) { f.header.header.log[5] ^= 1; }},
      {"header is damaged", [](segment_file& f) { f.header.verdict = header_verdict::damaged; }},
      {"not a segment", [](segment_file& f) { f.header.verdict = header_verdict::not_a_segment; }},
      {"header is missing", [](segment_file& f) { f.header.verdict = header_verdict::zero; }},
      {"one before it", [](segment_file& f) { ++f.header.header.previous_segment_id; }, 1},
      {"is truncated", [](segment_file& f) { f.header.header.previous_end = 12289; }, 1},
      {"sequence", [](segment_file& f) { f.header.header.first_sequence -= 10; }, 1},
      {"sequence", [](segment_file& f) { f.header.header.records_before -= 10; }, 1},
  };
  for (const lie& told : lies) {
    // Not of the last segment, where no later one says that it was begun.
    for (std::size_t i = told.first; i + 1 != segment_count; ++i) {
      files all = sound_files();
      told.tell(all[i]);
      const catalog found = judge_files(all, identity());
      BOOST_TEST(names(found, first_id + i, told.why));
      BOOST_TEST(!found.unsupported);
      BOOST_TEST(found.begun.size() == i);
      BOOST_TEST((found.beyond.size() == segment_count - i && found.beyond.front() == 3 + i));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_truncated_segment_is_found_by_its_successor) {
  for (std::size_t i = 0; i + 1 != segment_count; ++i) {
    files all = sound_files();
    all[i].bytes = 9000;
    BOOST_TEST(judge_files(all, identity()).damage.empty());
    all[i].bytes = 8999;
    BOOST_TEST(names(judge_files(all, identity()), first_id + i + 1, "is truncated"));
  }
}

// It has its header's bytes before it has its name, and its name before it is counted.
BOOST_AUTO_TEST_CASE(a_counted_segment_that_is_shorter_than_a_header_is_truncated) {
  for (const std::uint64_t bytes : {0, 4096, 8191}) {
    files all = sound_files();
    all.back().bytes = bytes;
    all.back().header.verdict = bytes < 4096 ? header_verdict::zero : header_verdict::valid;
    BOOST_TEST(names(judge_files(all, identity()), 7, "is truncated: it has"));
    files ahead = sound_files();
    ahead.push_back(unbegun_file(8));
    ahead.back().bytes = bytes;
    BOOST_TEST(names(judge_files(ahead, identity(8)), 8, "is truncated: it has"));
    // A crash came before it was counted.
    BOOST_TEST((ids(judge_files(ahead, identity()).unbegun) == id_list{8}));
  }
}

BOOST_AUTO_TEST_CASE(a_later_version_is_refused_by_name_wherever_it_is) {
  for (std::size_t i = 0; i != segment_count; ++i) {
    files all = sound_files();
    all[i].header.verdict = header_verdict::unsupported_version;
    all[i].header.header.version = 17;
    const catalog found = judge_files(all, identity());
    BOOST_TEST(names(found, first_id + i, "format 17"));
    BOOST_TEST(found.unsupported);
  }
}

BOOST_AUTO_TEST_CASE(files_behind_the_last_valid_header_were_not_begun) {
  for (const header_verdict verdict :
       {header_verdict::zero, header_verdict::damaged, header_verdict::not_a_segment}) {
    files all = sound_files();
    all.back().header.verdict = verdict;
    all.push_back(unbegun_file(8));
    const catalog found = judge_files(all, identity(8));
    BOOST_TEST(found.damage.empty());
    BOOST_TEST((ids(found.begun) == id_list{3, 4, 5, 6}));
    BOOST_TEST((ids(found.unbegun) == id_list{7, 8}));
  }
  // A new log whose first segments were created.
  const catalog found = judge_files({unbegun_file(4), unbegun_file(3)}, identity(4));
  BOOST_TEST((found.damage.empty() && found.begun.empty()));
  BOOST_TEST((ids(found.unbegun) == id_list{3, 4}));
}

BOOST_AUTO_TEST_CASE(what_a_deletion_left_over_is_not_part_of_the_log) {
  files all = sound_files();
  all.push_back(unbegun_file(1, header_verdict::valid));
  all.push_back(unbegun_file(2, header_verdict::damaged));
  const catalog found = judge_files(all, identity());
  BOOST_TEST(found.damage.empty());
  BOOST_TEST((found.deleted == id_list{1, 2}));
  BOOST_TEST((ids(found.begun) == id_list{3, 4, 5, 6, 7}));
  // With gaps: they may have been removed in any order.
  files gaps = sound_files();
  gaps.push_back(unbegun_file(1, header_verdict::valid));
  BOOST_TEST(judge_files(gaps, identity()).damage.empty());
}

// Recovery says in the identity which segment is the last before it removes those that were created
// behind it; a crash leaves any of them.
BOOST_AUTO_TEST_CASE(what_a_removal_of_unbegun_segments_left_over_is_not_part_of_the_log) {
  for (unsigned left = 0; left != 8; ++left) {
    files all = sound_files();
    id_list unbegun;
    id_list deleted;
    for (unsigned i = 0; i != 3; ++i) {
      if ((left >> i & 1) == 0) continue;
      all.push_back(unbegun_file(8 + i));
      (unbegun.size() == i ? unbegun : deleted).push_back(8 + i);
    }
    const catalog found = judge_files(all, identity(7));
    BOOST_TEST(found.damage.empty());
    BOOST_TEST((ids(found.begun) == id_list{3, 4, 5, 6, 7}));
    BOOST_TEST((ids(found.unbegun) == unbegun));
    BOOST_TEST((found.deleted == deleted));
  }
  // Where the identity counts them, they have to be there.
  files all = sound_files();
  all.push_back(unbegun_file(9));
  BOOST_TEST(names(judge_files(all, identity(8)), 8, "is missing"));
  BOOST_TEST(names(judge_files(all, identity(9)), 8, "is missing"));
  // And nothing is thrown away that may have been begun.
  all.back().header.verdict = header_verdict::damaged;
  BOOST_TEST(names(judge_files(all, identity(7)), 8, "is missing"));
  // A segment that was begun needs all before it, whatever the identity says.
  files begun = sound_files();
  begun.erase(begun.end() - 2);
  BOOST_TEST(names(judge_files(begun, identity(5)), 6, "is missing"));
}

BOOST_AUTO_TEST_CASE(what_a_listing_missed_is_named_newest_first) {
  using ids = std::vector<std::uint64_t>;
  const auto missing = [](ids there, std::size_t most) { return missing_segments(there, most); };
  BOOST_TEST(missing({}, 9) == ids{});
  BOOST_TEST(missing({4}, 9) == ids{});
  BOOST_TEST(missing({3, 4, 5}, 9) == ids{});
  BOOST_TEST(missing({8, 3, 6}, 9) == (ids{7, 5, 4}));
  BOOST_TEST(missing({8, 3, 6}, 2) == (ids{7, 5}));
  BOOST_TEST(missing({1, UINT64_MAX}, 1) == (ids{UINT64_MAX - 1}));
}

BOOST_AUTO_TEST_SUITE_END()
