// Looking at a log on disk segment by segment, whatever state it is in.

#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

#include <nori/inspect.hpp>

#include "engine/chain_scanner.hpp"
#include "engine/recovery.hpp"
#include "wal/log.hpp"
#include "wal/segment_file_reader.hpp"
#include "wal/stock.hpp"

namespace nori {

using boost::system::system_error;
using format::header_verdict;
using format::segment_header_bytes;

namespace {

std::string in_hexadecimal(const format::log_id& id) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const auto byte : id) {
    text += digits[static_cast<unsigned>(byte) >> 4];
    text += digits[static_cast<unsigned>(byte) & 15];
  }
  return text;
}

engine::chain_state chain_at_start_of(const format::segment_header& header) noexcept {
  engine::chain_state chain;
  chain.sequence = header.first_sequence - 1;
  chain.crc = header.previous_crc;
  chain.epoch = header.epoch;
  chain.records = header.records_before;
  return chain;
}

class inspection {
 public:
  inspection(std::filesystem::path dir, inspect_options options)
      : dir_(std::move(dir)), options_(std::move(options)) {}

  asio::awaitable<log_report> perform() {
    co_await try_to_open();
    const auto strand = storage::make_completion_executor(co_await asio::this_coro::executor);
    const storage::open_options place{dir_, options_.backend, true};
    files_ = co_await storage::open_storage(place, strand);
    co_await take_stock();
    for (std::size_t i = 0; i < found_.size(); ++i) {
      co_await judge(i);
    }
    co_await tell_of_staged();
    co_return std::move(report_);
  }

 private:
  asio::awaitable<void> try_to_open();
  asio::awaitable<void> take_stock();
  asio::awaitable<std::optional<engine::segment_file>> look_at(std::uint64_t id,
                                                               std::uint64_t bytes);
  asio::awaitable<void> judge(std::size_t index);
  asio::awaitable<void> judge_sealed(segment_report& of, const engine::segment_file& file,
                                     const format::segment_header& next);
  asio::awaitable<void> judge_newest(segment_report& of, const engine::segment_file& file);
  asio::awaitable<std::uint64_t> records_in(std::uint64_t segment_id);
  asio::awaitable<void> tell_of_staged();
  std::string own_damage(const engine::segment_file& file) const;
  // Where opening does not refuse, the header of a segment behind the end is an unfinished write.
  bool was_not_begun(const engine::segment_file& file) const noexcept {
    return file.header.verdict == header_verdict::zero ||
           (end_ && file.id > end_->segment_id && file.header.verdict != header_verdict::valid);
  }

  const std::filesystem::path dir_;
  const inspect_options options_;
  std::shared_ptr<storage::storage> files_;
  std::optional<format::log_identity> identity_;
  std::vector<engine::segment_file> found_;  ///< by id; without those that were never begun
  std::optional<wal> opened_;                ///< where opening does not refuse
  std::optional<position> end_;              ///< where it ends then
  std::uint64_t bytes_done_ = 0;
  std::uint64_t bytes_total_ = 0;
  log_report report_;
};

asio::awaitable<void> inspection::try_to_open() {
  config how(dir_);
  how.access = access::read_only;
  how.backend = options_.backend;
  try {
    wal::opened opened = co_await log::open(how);
    end_ = opened.log.current_position();
    report_.recovery = opened.recovered;
    opened_.emplace(std::move(opened.log));
  } catch (const system_error& error) {
    if (error.code() != errc::corruption && error.code() != errc::unsupported_format) throw;
    // What is damaged, without what a program could do about it.
    report_.refusal = error.what();
    const auto general = report_.refusal.rfind(": " + error.code().message());
    if (general != std::string::npos) report_.refusal.erase(general);
  }
}

asio::awaitable<std::optional<engine::segment_file>> inspection::look_at(std::uint64_t id,
                                                                         std::uint64_t bytes) {
  try {
    co_return co_await look_at_segment(*files_, id, bytes);
  } catch (const system_error& error) {
    if (!storage::is_missing(error)) throw;
    co_return std::nullopt;
  }
}

asio::awaitable<void> inspection::take_stock() {
  for (const storage::directory_entry& entry : co_await list_newest_first(*files_)) {
    if (!entry.regular) continue;
    if (const auto id = format::parse_segment_file_name(entry.name)) {
      const auto file = co_await look_at(*id, entry.bytes);
      if (file) found_.push_back(*file);
    } else if (entry.name == format::identity_file_name) {
      const auto check = co_await look_at_identity(*files_);
      if (check.verdict == header_verdict::valid) identity_ = check.identity;
    }
  }
  std::sort(found_.begin(), found_.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  // Segments are begun in order: behind the newest that says what it is, none was. Without that
  // one the identity is all there is to go by.
  while (!found_.empty() && was_not_begun(found_.back())) found_.pop_back();
  if (!identity_) {
    const auto valid = std::find_if(found_.begin(), found_.end(), [](const auto& file) {
      return file.header.verdict == header_verdict::valid;
    });
    if (valid != found_.end()) {
      identity_.emplace();
      identity_->log = valid->header.header.log;
      identity_->first_segment_id = found_.front().id;
    }
  }
  if (identity_) {
    report_.log_id = in_hexadecimal(identity_->log);
    std::erase_if(found_, [&](const auto& file) { return file.id < identity_->first_segment_id; });
  }
  for (std::size_t i = 0; i + 1 < found_.size(); ++i) bytes_total_ += found_[i].bytes;
}

std::string inspection::own_damage(const engine::segment_file& file) const {
  switch (file.header.verdict) {
    case header_verdict::zero:
      return "its header is missing";
    case header_verdict::damaged:
      return "both copies of its header are damaged";
    case header_verdict::not_a_segment:
      return "it is not a segment of a log";
    case header_verdict::unsupported_version:
      return "it was written by a later version of nori (format " +
             std::to_string(file.header.header.version) + ")";
    case header_verdict::valid:
      break;
  }
  if (identity_ && file.header.header.log != identity_->log) return "it belongs to another log";
  if (file.header.header.segment_id != file.id) {
    return "it is segment " + std::to_string(file.header.header.segment_id) + " renamed";
  }
  return {};
}

asio::awaitable<void> inspection::judge(std::size_t index) {
  const engine::segment_file& file = found_[index];
  std::uint64_t expected = identity_ ? identity_->first_segment_id : file.id;
  if (index != 0) expected = found_[index - 1].id + 1;
  // A file of any name may lie there: a larger gap is told of once.
  constexpr std::uint64_t gaps_max = 1000;
  for (; expected < file.id; ++expected) {
    const std::uint64_t more = file.id - 1 - expected;
    if (more >= gaps_max) expected = file.id - 1;
    segment_report& gap = report_.segments.emplace_back();
    gap.id = expected;
    gap.file = format::segment_file_name(expected);
    gap.state = segment_state::missing;
    gap.detail = "there is no such file";
    if (more >= gaps_max) {
      gap.detail += ", nor any of the " + std::to_string(more) + " before it";
    }
  }
  segment_report of;
  of.id = file.id;
  of.file = format::segment_file_name(file.id);
  of.file_bytes = file.bytes;
  of.detail = own_damage(file);
  if (!of.detail.empty()) {
    of.state = segment_state::damaged;
    report_.segments.push_back(std::move(of));
    co_return;
  }
  const format::segment_header& header = file.header.header;
  using std::chrono::nanoseconds;
  of.created = std::chrono::sys_time<nanoseconds>(nanoseconds(
      static_cast<std::int64_t>(std::min<std::uint64_t>(header.created_ns, INT64_MAX))));
  of.node_id = header.node_id;
  if (file.header.copy_damaged) of.detail = "one copy of its header is damaged, the other holds";
  // What a successor that is nobody's says counts for nothing.
  const bool has_next = index + 1 < found_.size() && found_[index + 1].id == file.id + 1 &&
                        own_damage(found_[index + 1]).empty();
  if (has_next) {
    co_await judge_sealed(of, file, found_[index + 1].header.header);
  } else {
    co_await judge_newest(of, file);
  }
  if (of.state == segment_state::damaged) {
    // It may have been deleted, and its file used again, while it was read.
    const auto now = co_await look_at(file.id, file.bytes);
    if (!now || now->header.header != header) co_return;
  }
  report_.segments.push_back(std::move(of));
}

asio::awaitable<void> inspection::judge_sealed(segment_report& of, const engine::segment_file& file,
                                               const format::segment_header& next) {
  const format::segment_header& header = file.header.header;
  of.end = next.previous_end;
  if (next.records_before >= header.records_before) {
    of.records = next.records_before - header.records_before;
  }
  const auto damaged = [&](std::uint64_t at, std::string what) {
    of.state = segment_state::damaged;
    of.end = at;
    of.detail = std::move(what);
  };
  if (next.previous_end > file.bytes) {
    of.records.reset();
    damaged(file.bytes, "truncated: it has " + std::to_string(file.bytes) + " bytes of " +
                            std::to_string(next.previous_end));
  }
  if (!options_.every_byte) co_return;
  storage::file_ptr opened;
  try {
    opened = co_await files_->open(of.file, storage::open_mode::read);
  } catch (const system_error& error) {
    if (!storage::is_missing(error)) throw;
    damaged(0, "there is no such file");  // deleted meanwhile: judge() finds out
    co_return;
  }
  segment_file_reader from(*files_, opened, of.file, file.bytes);
  engine::chain_scanner scanner(format::segment_seed(header.log, file.id),
                                chain_at_start_of(header), segment_header_bytes,
                                std::min(file.bytes, next.previous_end));
  co_await from.scan(scanner);
  report_.bytes_read += scanner.offset();
  bytes_done_ += file.bytes;
  if (options_.progress) options_.progress(bytes_done_, bytes_total_);
  const engine::chain_state& chain = scanner.chain();
  if (scanner.offset() == next.previous_end && chain.crc == next.previous_crc &&
      chain.sequence + 1 == next.first_sequence) {
    co_return;
  }
  if (of.state == segment_state::damaged) {
    of.end = scanner.offset();
  } else if (scanner.offset() == next.previous_end) {
    damaged(scanner.offset(), "the segment after it does not continue it");
  } else {
    damaged(scanner.offset(), "damaged data at offset " + std::to_string(scanner.offset()));
  }
  of.records = scanner.last_batch().chain.records - header.records_before;
}

asio::awaitable<void> inspection::judge_newest(segment_report& of,
                                               const engine::segment_file& file) {
  const format::segment_header& header = file.header.header;
  if (end_ && end_->segment_id == file.id) {
    // Opening read every byte of it.
    const std::uint64_t before = header.records_before;
    const std::uint64_t deleted = found_.front().header.header.records_before;
    of.end = end_->offset;
    of.records = report_.recovery->valid_records - (before - deleted);
    if (report_.recovery->bytes_truncated != 0) {
      of.state = segment_state::unfinished;
      of.detail = std::to_string(report_.recovery->bytes_truncated) +
                  " bytes of an unfinished write behind the last record";
    }
    report_.bytes_read += of.end;
    co_return;
  }
  if (end_ && end_->segment_id > file.id) {
    // What follows it, and perhaps its own end, is in the staging file.
    of.end = log::of(*opened_)->end_of(file.id);
    of.records = co_await records_in(file.id);
    report_.bytes_read += of.end;
    co_return;
  }
  const storage::file_ptr opened = co_await files_->open(of.file, storage::open_mode::read);
  segment_file_reader from(*files_, opened, of.file, file.bytes);
  const std::uint32_t seed = format::segment_seed(header.log, file.id);
  engine::chain_scanner scanner(seed, chain_at_start_of(header), segment_header_bytes, file.bytes);
  co_await from.scan(scanner);
  report_.bytes_read += scanner.offset();
  of.end = scanner.last_batch().offset;
  of.records = scanner.last_batch().chain.records - header.records_before;
  if (end_) co_return;  // begun after the log was opened: whoever writes it is busy
  const std::uint64_t largest = format::frame_bytes(
      std::min<std::uint64_t>(header.record_bytes_max, record_bytes_highest) + 128);
  const auto rest = co_await from.search(of.end, seed, scanner.last_batch().chain.sequence + 1,
                                         largest, file.bytes, header.reused != 0);
  if (rest.proof) {
    of.state = segment_state::damaged;
    of.detail = "damaged data at offset " + std::to_string(of.end) + ": the record at " +
                std::to_string(*rest.proof) + " was written when it was durable";
  } else if (!rest.zero && rest.end != of.end) {
    of.state = segment_state::unfinished;
    of.detail =
        std::to_string(rest.end - of.end) + " bytes of an unfinished write behind the last record";
  }
}

asio::awaitable<std::uint64_t> inspection::records_in(std::uint64_t segment_id) {
  position start;
  start.segment_id = segment_id;
  reader records = opened_->read_from(start);
  std::uint64_t count = 0;
  for (;;) {
    const std::span<const entry> some = co_await records.next_batch();
    if (some.empty()) co_return count;
    for (const entry& each : some) {
      if (each.at.segment_id != segment_id) co_return count;
      ++count;
    }
  }
}

// Segments whose file says nothing yet: under batch and os, what is newest waits elsewhere.
asio::awaitable<void> inspection::tell_of_staged() {
  if (!end_) co_return;
  const std::vector<log::segment_info> segments = log::of(*opened_)->segments();
  for (const log::segment_info& each : segments) {
    if (!found_.empty() && each.id <= found_.back().id) continue;
    segment_report of;
    of.id = each.id;
    of.file = format::segment_file_name(each.id);
    of.end = each.end;
    of.records = co_await records_in(each.id);
    of.detail = "still in the staging file";
    report_.bytes_read += of.end;
    report_.segments.push_back(std::move(of));
  }
}

}  // namespace

bool log_report::sound() const noexcept {
  return refusal.empty() && std::none_of(segments.begin(), segments.end(), [](const auto& each) {
           return each.state == segment_state::damaged || each.state == segment_state::missing;
         });
}

asio::awaitable<log_report> inspect_log(std::filesystem::path dir, inspect_options options) {
  inspection work(std::move(dir), std::move(options));
  co_return co_await work.perform();
}

}  // namespace nori
