#include "engine/recovery.hpp"

#include <algorithm>

#include "format/planted_bug.hpp"

namespace nori::engine {

using format::header_verdict;

end_verdict judge_end(const end_evidence& found) noexcept {
  for (const end_rule& rule : end_rules) {  // branch: the table has every combination
    if (rule.found.proof == found.proof && rule.found.batch_open == found.batch_open &&
        rule.found.rest_zero == found.rest_zero) {
      return rule.verdict;
    }
  }
  return end_verdict::corruption;
}

namespace {

// Why `next` can't be the successor of `before`, or nothing.
std::optional<std::string> broken_link(const segment_file& before, const segment_file& next) {
  const format::segment_header& header = next.header.header;
  if (header.previous_segment_id != before.id) {
    return "it names segment " + std::to_string(header.previous_segment_id) +
           " as the one before it";
  }
  if (header.previous_end > before.bytes) {
    return "segment " + std::to_string(before.id) + " is truncated: it has " +
           std::to_string(before.bytes) + " bytes of " + std::to_string(header.previous_end);
  }
  if (header.first_sequence <= before.header.header.first_sequence ||
      header.records_before < before.header.header.records_before) {
    return "its sequence does not continue segment " + std::to_string(before.id);
  }
  return std::nullopt;
}

std::string own_damage(const segment_file& file, const format::log_identity& identity) {
  switch (file.header.verdict) {  // branch: every enumerator has a case
    case header_verdict::zero:
      return "its header is missing";
    case header_verdict::damaged:
      return "its header is damaged";
    case header_verdict::not_a_segment:
      return "it is not a segment of a log";
    case header_verdict::unsupported_version:
      return "it was written by a later version of nori (format " +
             std::to_string(file.header.header.version) + ")";
    case header_verdict::valid:
      break;
  }
  if (file.header.header.log != identity.log) return "it belongs to another log";
  if (file.header.header.segment_id != file.id) {
    return "it is segment " + std::to_string(file.header.header.segment_id) + " renamed";
  }
  return {};
}

}  // namespace

std::vector<std::uint64_t> missing_segments(std::vector<std::uint64_t> ids, std::size_t most) {
  std::sort(ids.rbegin(), ids.rend());
  std::vector<std::uint64_t> missing;
  for (std::size_t i = 1; i < ids.size(); ++i) {
    for (std::uint64_t id = ids[i - 1]; id-- > ids[i] + 1 && missing.size() < most;) {
      missing.push_back(id);
    }
  }
  return missing;
}

catalog judge_files(std::vector<segment_file> files, const format::log_identity& identity) {
  std::sort(files.begin(), files.end(),
            [](const segment_file& a, const segment_file& b) { return a.id < b.id; });
  catalog result;
  while (!files.empty() && files.front().id < identity.first_segment_id) {
    result.deleted.push_back(files.front().id);
    files.erase(files.begin());
  }
  // Segments are begun in order: everything up to the newest valid header must be there.
  std::size_t begun = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const header_verdict verdict = files[i].header.verdict;
    if (verdict == header_verdict::valid || verdict == header_verdict::unsupported_version) {
      begun = i + 1;
    }
  }
  std::uint64_t expected = identity.first_segment_id;
  const auto fail = [&](std::size_t from, std::string why) {
    result.damage = std::move(why);
    for (std::size_t i = from; i < files.size(); ++i) result.beyond.push_back(files[i].id);
  };
  for (std::size_t i = 0; i < files.size(); ++i, ++expected) {
    const std::string name = format::segment_file_name(files[i].id);
    if (files[i].id != expected) {
      if (expected > identity.last_segment_id && i >= begun &&
          files[i].header.verdict == header_verdict::zero) {
        // Recovery was removing what had not been begun when the next crash came.
        result.deleted.push_back(files[i].id);
        continue;
      }
      fail(i, format::segment_file_name(expected) + " is missing");
      return result;
    }
    if (files[i].id <= identity.last_segment_id && files[i].bytes < format::segment_header_bytes) {
      // It has them before it has its name, and its name before it is counted.
      fail(i, name + " is truncated: it has " + std::to_string(files[i].bytes) +
                  " bytes, and its header takes " + std::to_string(format::segment_header_bytes));
      return result;
    }
    if (i >= begun) {
      result.unbegun.push_back(files[i]);
      continue;
    }
    std::string damage = own_damage(files[i], identity);
    if (damage.empty() && !result.begun.empty() &&
        !planted(format::planted_bug::drop_predecessor_link)) {
      damage = broken_link(result.begun.back(), files[i]).value_or(std::string());
    }
    if (!damage.empty()) {
      result.unsupported = files[i].header.verdict == header_verdict::unsupported_version;
      fail(i, name + ": " + damage);
      return result;
    }
    result.begun.push_back(files[i]);
  }
  if (expected <= identity.last_segment_id) {
    fail(files.size(), format::segment_file_name(expected) + " is missing");
  }
  return result;
}

}  // namespace nori::engine
