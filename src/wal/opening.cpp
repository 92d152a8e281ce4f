// Opening a log: what is in the directory, what of it survives, and how it goes on.

#include "wal/opening.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <utility>

#include "format/frame_scan.hpp"
#include "storage/storage_source.hpp"
#include "wal/blocks.hpp"
#include "wal/complete_config.hpp"
#include "wal/identity_file.hpp"
#include "wal/stock.hpp"

namespace nori {

using boost::system::system_error;
using engine::block_ceil;
using engine::block_floor;
using format::segment_header_bytes;

namespace {

// A directory whose last owner in this process is still winding down is waited for this long.
constexpr auto lock_patience = std::chrono::seconds(5);

// Who only reads a log in use finds it damaged at most so often in the same way, and for so long.
constexpr int same_damage_attempts = 10;
constexpr auto reading_patience = std::chrono::seconds(5);

format::log_id random_log_id(storage::storage& on) {
  format::log_id id;
  for (std::size_t i = 0; i < id.size(); i += 4) {
    const std::uint32_t word = on.random_word();
    std::memcpy(id.data() + i, &word, 4);
  }
  return id;
}

}  // namespace

void opening::refuse_damage(const std::string& what) const {
  throw_error(errc::corruption, config_.dir.string() + ": " + what + "; nothing was changed");
}

asio::awaitable<void> opening::lock_directory() {
  const std::string name(format::lock_file_name);
  const auto patience_ends = std::chrono::steady_clock::now() + lock_patience;
  for (;;) {
    // A log that was destroyed without being closed lets go once its last write has completed.
    const bool others_wind_down = log::winding_down() != 0;
    if (co_await files_->lock(name)) co_return;
    if (!others_wind_down || std::chrono::steady_clock::now() > patience_ends) {
      throw_error(errc::locked, config_.dir.string());
    }
    const asio::any_io_executor here = co_await asio::this_coro::executor;
    co_await storage::pause_for(std::chrono::milliseconds(1), here, files_->simulated_clock());
  }
}

// `early` was read before the files were listed.
// Where it is made anew, `files` lose those that say nothing of it.
asio::awaitable<void> opening::read_identity(bool there,
                                             std::optional<format::identity_check> early,
                                             std::vector<engine::segment_file>& files) {
  const std::string name(format::identity_file_name);
  std::string damage = "the file \"" + name + "\" is missing";
  if (there) {
    if (!early) early = co_await look_at_identity(*files_);
    const format::identity_check& check = *early;
    if (check.verdict == format::header_verdict::valid) {
      identity_ = check.identity;
      identity_there_ = true;
      co_return;
    }
    if (check.verdict == format::header_verdict::unsupported_version) {
      throw_error(errc::unsupported_format, config_.dir.string() +
                                                ": written by a later version of nori (format " +
                                                std::to_string(check.identity.version) + ")");
    }
    damage = "the file \"" + name + "\" is damaged";
  }
  if (!there && files.empty()) co_return;
  if (!salvages()) refuse_damage(damage);
  for (const engine::segment_file& file : files) {
    if (file.header.verdict != format::header_verdict::unsupported_version) continue;
    throw_error(errc::unsupported_format, config_.dir.string() + ": " +
                                              format::segment_file_name(file.id) +
                                              " was written by a later version of nori");
  }
  info.corruption_detected = true;
  info.salvage_report.push_back(damage + ": made anew from the segments");
  // The oldest valid segment says which log this is.
  for (const engine::segment_file& file : files) {
    if (file.header.verdict != format::header_verdict::valid) continue;
    identity_.log = file.header.header.log;
    identity_.first_segment_id = file.id;
    identity_there_ = true;
    break;
  }
  keeps_staging_ = true;
  // What it counted is not known: whatever is there.
  identity_.last_segment_id = files.empty() ? 0 : files.back().id;
  if (!identity_there_) {
    identity_.log = random_log_id(*files_);
    identity_.first_segment_id = files.empty() ? 1 : files.front().id;
  }
  // Those before the first that is valid were not deleted, as far as anybody knows.
  while (!files.empty() && (!identity_there_ || files.front().id < identity_.first_segment_id)) {
    co_await set_aside(format::segment_file_name(files.front().id), "its header is damaged");
    files.erase(files.begin());
  }
  if (!identity_there_) identity_.last_segment_id = 0;
  identity_there_ = true;
}

asio::awaitable<void> opening::take_stock() {
  std::vector<engine::segment_file> files;
  bool identity = false;
  bool staging = false;
  std::optional<format::identity_check> early;
  if (!writable()) {
    // It counts segments: read later, it could count one that the listing does not have yet.
    try {
      early = co_await look_at_identity(*files_);
    } catch (const system_error&) {
      // Whether it is there, the listing says.
    }
  }
  for (const storage::directory_entry& entry : co_await list_newest_first(*files_)) {
    if (!entry.regular) continue;
    if (const auto id = format::parse_segment_file_name(entry.name)) {
      files.push_back(co_await look_at_segment(*files_, *id, entry.bytes));
    } else if (entry.name == format::identity_file_name) {
      identity = true;
    } else if (entry.name == format::staging_file_name) {
      staging = true;
    } else if (entry.name == next_identity_file_name) {
      continue;
    } else if (entry.name.ends_with(".tmp") || entry.name.starts_with("spare-")) {
      leftovers_.push_back(entry.name);
    }
  }
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  co_await read_identity(identity, early, files);
  if (!identity_there_) {
    info.created = true;
    co_return;
  }
  catalog_ = engine::judge_files(files, identity_);
  if (!catalog_.damage.empty()) {
    if (catalog_.unsupported) {
      throw_error(errc::unsupported_format, config_.dir.string() + ": " + catalog_.damage);
    }
    if (!salvages()) refuse_damage(catalog_.damage);
    info.corruption_detected = true;
    info.salvage_report.push_back(catalog_.damage);
    for (const std::uint64_t id : catalog_.beyond) {
      co_await set_aside(format::segment_file_name(id), {});
    }
    keeps_staging_ = true;
  }
  if (!catalog_.begun.empty()) {
    records_before_ = catalog_.begun.front().header.header.records_before;
  }
  if (staging) {
    const std::string name(format::staging_file_name);
    const storage::file_ptr file = co_await files_->open(name, storage::open_mode::read);
    const std::uint64_t bytes = co_await files_->size(file);
    // A ring of a size that nori never makes is not one: a crash left it half made.
    if (std::has_single_bit(bytes) && bytes >= buffer_bytes_lowest &&
        bytes <= buffer_bytes_highest) {
      staging_.resize(2 * bytes);
      co_await storage::read_at(*files_, file, 0, staging_.data(), bytes, name);
      std::memcpy(staging_.data() + bytes, staging_.data(), bytes);
    }
  }
}

segment_file_reader opening::reader_of(storage::file_ptr file,
                                       const engine::segment_file& of) const {
  return {*files_, std::move(file), format::segment_file_name(of.id), of.bytes};
}

engine::chain_state opening::chain_before(const format::segment_header& header) {
  engine::chain_state chain;
  chain.sequence = header.first_sequence - 1;
  chain.crc = header.previous_crc;
  chain.epoch = header.epoch;
  chain.records = header.records_before;
  return chain;
}

// A segment that has a successor must be intact to the end that the successor names.
asio::awaitable<void> opening::verify_sealed_end(const engine::segment_file& sealed,
                                                 const format::segment_header& next, bool whole) {
  const std::string name = format::segment_file_name(sealed.id);
  const storage::file_ptr file = co_await files_->open(name, storage::open_mode::read);
  segment_file_reader from = reader_of(file, sealed);
  const std::uint32_t seed = format::segment_seed(identity_.log, sealed.id);
  ++info.segments_scanned;
  if (!whole) {
    --info.segments_scanned;
    if (next.previous_last_frame == 0) co_return;
    const std::uint64_t bytes =
        next.previous_end - std::min(next.previous_end, next.previous_last_frame);
    std::vector<std::byte> frame(
        std::min<std::uint64_t>(bytes, format::frame_bytes(format::body_bytes_highest)));
    co_await from.read(next.previous_last_frame, frame.data(), frame.size());
    const auto check = format::check_frame(frame, seed, frame.size());
    if (check.verdict == format::frame_verdict::valid && check.header.crc == next.previous_crc &&
        check.header.sequence + 1 == next.first_sequence) {
      co_return;
    }
    co_await salvage_from(sealed.id, next.previous_last_frame, sealed.bytes,
                          name + " offset " + std::to_string(next.previous_last_frame) +
                              ": the last record is damaged");
    co_return;
  }
  engine::chain_scanner scanner(seed, chain_before(sealed.header.header), segment_header_bytes,
                                std::min(sealed.bytes, next.previous_end));
  co_await from.scan(scanner);
  if (scanner.offset() == next.previous_end && scanner.chain().crc == next.previous_crc &&
      scanner.chain().sequence + 1 == next.first_sequence) {
    co_return;
  }
  co_await salvage_from(sealed.id, scanner.last_batch().offset, sealed.bytes,
                        name + " offset " + std::to_string(scanner.offset()) + ": damaged data");
}

asio::awaitable<void> opening::verify_sealed() {
  // The one before the newest is looked at always, the others when everything is to be saved.
  const std::size_t count = catalog_.begun.size();
  for (std::size_t i = 0; i + 1 < catalog_.begun.size(); ++i) {
    const bool whole = salvages() || config_.verify == verification::everything;
    if (!whole && i + 2 < count) continue;
    co_await verify_sealed_end(catalog_.begun[i], catalog_.begun[i + 1].header.header, whole);
  }
}

void opening::follow_staging(const engine::chain_scanner& scanner) {
  // Frames in the staging file continue the chain where the segment's file ends; a new segment
  // begins there with its header. Positions are found by what the bytes say, for the ring has no
  // structure of its own.
  const std::size_t ring = staging_.size() / 2;
  std::uint64_t segment_id = end_.segment_id;
  std::uint32_t seed = format::segment_seed(identity_.log, segment_id);
  engine::chain_state chain = scanner.chain();
  std::uint64_t offset = scanner.offset();
  log_end reached = end_;
  const std::span<const std::byte> image(staging_);
  for (bool moved = true; moved;) {
    moved = false;
    format::frame_pattern pattern;
    pattern.sequence_min = pattern.sequence_max = chain.sequence + 1;
    pattern.previous_crc = chain.crc;
    if (segment_id != 0) {
      if (const auto found = format::frame_scanner(image, seed).next(0, pattern)) {
        engine::chain_scanner further(seed, chain, offset, segment_bytes_highest);
        const std::size_t from = *found % ring;
        further.feed(image.subspan(from, ring));
        if (further.offset() > offset) {
          staged_.push_back(
              {segment_id, offset, from, static_cast<std::size_t>(further.offset() - offset)});
          if (further.last_batch().offset > offset) {
            const auto& batch = further.last_batch();
            reached = {segment_id, batch.offset, batch.chain};
            if (batch.last_record != 0) {
              info.last_valid_position = position{segment_id, batch.last_record};
            }
          }
          chain = further.chain();
          offset = further.offset();
          moved = true;
        }
      }
    }
    for (std::size_t at = 0; at < ring && !moved; at += format::block_bytes) {
      const auto check = format::check_segment_header(image.subspan(at, segment_header_bytes));
      if (check.verdict != format::header_verdict::valid) continue;
      const format::segment_header& header = check.header;
      const std::uint64_t next_id = segment_id == 0 ? identity_.first_segment_id : segment_id + 1;
      const bool continues = header.log == identity_.log && header.segment_id == next_id &&
                             header.first_sequence == chain.sequence + 1 &&
                             header.previous_crc == chain.crc;
      const bool has_file = std::any_of(catalog_.unbegun.begin(), catalog_.unbegun.end(),
                                        [&](const auto& file) { return file.id == next_id; });
      if (!continues || !has_file) continue;
      segment_id = next_id;
      seed = format::segment_seed(identity_.log, segment_id);
      sealed_ends_[header.previous_segment_id] = header.previous_end;
      chain = chain_before(header);
      offset = segment_header_bytes;
      staged_.push_back({segment_id, 0, at, segment_header_bytes});
      moved = true;
    }
  }
  end_ = reached;
  // What lies behind the last whole batch does not count.
  std::erase_if(staged_, [&](const staged_piece& piece) {
    return piece.segment_id > end_.segment_id ||
           (piece.segment_id == end_.segment_id && piece.offset >= end_.offset);
  });
  for (staged_piece& piece : staged_) {
    if (piece.segment_id == end_.segment_id) {
      piece.bytes = std::min<std::uint64_t>(piece.bytes, end_.offset - piece.offset);
    }
    info.bytes_from_staging += piece.bytes;
  }
  if (!staged_.empty()) info.clean_close = false;
}

asio::awaitable<void> opening::find_end() {
  end_ = {};
  std::optional<segment_file_reader> active;
  std::optional<engine::chain_scanner> scanned;
  std::uint32_t seed = 0;
  std::uint64_t frame_bytes_max = 0;
  engine::chain_scanner::committed last;
  bool batch_open = false;
  if (!catalog_.begun.empty()) {
    const engine::segment_file& newest = catalog_.begun.back();
    const format::segment_header& header = newest.header.header;
    const std::string name = format::segment_file_name(newest.id);
    const storage::file_ptr file = co_await files_->open(name, storage::open_mode::read_direct);
    active.emplace(reader_of(file, newest));
    seed = format::segment_seed(identity_.log, newest.id);
    frame_bytes_max = format::frame_bytes(
        std::min<std::uint64_t>(header.record_bytes_max, record_bytes_highest) + 128);
    engine::chain_scanner scanner(seed, chain_before(header), segment_header_bytes, newest.bytes);
    const format::frame_verdict stopped = co_await active->scan(scanner);
    ++info.segments_scanned;
    last = scanner.last_batch();
    scanned = scanner;
    end_ = {newest.id, last.offset, last.chain};
    file_end_ = {newest.id, scanner.offset(), scanner.chain()};
    batch_open = scanner.offset() != last.offset;
    info.clean_close = last.closed;
    if (last.last_record != 0) info.last_valid_position = position{newest.id, last.last_record};
    if (!staging_.empty()) {
      follow_staging(scanner);
      if (!staged_.empty()) batch_open = false;
    }
    if (stopped == format::frame_verdict::bad_header && staged_.empty()) {
      throw_error(errc::unsupported_format, config_.dir.string() + ": " + name + " offset " +
                                                std::to_string(scanner.offset()) +
                                                " was written by a later version of nori");
    }
  } else if (!staging_.empty()) {
    const engine::chain_scanner nothing(0, {}, 0, 0);
    follow_staging(nothing);
  }

  // Whether anything later proves that what is missing here had been durable.
  engine::end_evidence found{false, batch_open, true};
  std::string proof_at;
  const std::uint64_t missing = end_.chain.sequence + 1;
  std::uint64_t reach_bytes = staging_.size();
  if (active) reach_bytes += catalog_.begun.back().bytes;
  for (const engine::segment_file& file : catalog_.unbegun) reach_bytes += file.bytes;
  if (active && end_.segment_id == catalog_.begun.back().id) {
    const auto rest =
        co_await active->search(end_.offset, seed, missing, frame_bytes_max, reach_bytes,
                                catalog_.begun.back().header.header.reused != 0);
    found.rest_zero = rest.zero;
    if (rest.proof) proof_at = "offset " + std::to_string(*rest.proof) + " of the same segment";
    if (staged_.empty()) info.bytes_truncated = rest.end - end_.offset;
  }
  for (const engine::segment_file& file : catalog_.unbegun) {
    if (!proof_at.empty() || file.id <= end_.segment_id) continue;
    const std::string name = format::segment_file_name(file.id);
    const storage::file_ptr opened = co_await files_->open(name, storage::open_mode::read_direct);
    segment_file_reader from = reader_of(opened, file);
    const std::uint32_t its_seed = format::segment_seed(identity_.log, file.id);
    const auto rest = co_await from.search(segment_header_bytes, its_seed, missing,
                                           format::frame_bytes(config_.record_bytes_max + 128),
                                           reach_bytes, true);
    if (rest.proof) proof_at = name + " offset " + std::to_string(*rest.proof);
  }
  if (proof_at.empty() && !staging_.empty()) {
    // Newer segments first: most likely it is the newest that the ring still holds.
    const std::uint64_t newest =
        catalog_.unbegun.empty() ? end_.segment_id : catalog_.unbegun.back().id;
    const std::uint64_t oldest = std::max(end_.segment_id, identity_.first_segment_id);
    for (std::uint64_t id = newest; id != 0 && id >= oldest && proof_at.empty(); --id) {
      const std::uint32_t its_seed = format::segment_seed(identity_.log, id);
      if (engine::find_proof(staging_, its_seed, missing, reach_bytes))
        proof_at = "the staging file";
    }
  }
  found.proof = !proof_at.empty();
  if ((found.proof || !found.rest_zero) && !writable() && scanned) {
    // Somebody may be appending. If what was missing is there by now, then what lies behind it came
    // later, too, and what was found first is the log as it was then.
    co_await active->scan(*scanned);
    if (scanned->last_batch().offset > end_.offset && end_.segment_id == file_end_.segment_id) {
      found = {false, false, true};
    }
  }
  switch (engine::judge_end(found)) {
    case engine::end_verdict::clean_end:
      info.bytes_truncated = 0;
      break;
    case engine::end_verdict::torn_tail:
      info.clean_close = false;
      break;
    case engine::end_verdict::corruption: {
      const std::string what = end_.segment_id == 0
                                   ? std::string("the first segment is damaged")
                                   : format::segment_file_name(end_.segment_id) + " offset " +
                                         std::to_string(end_.offset) +
                                         ": acknowledged data is damaged: a later record (" +
                                         proof_at + ") was written when it was durable";
      if (salvages()) co_await keep_staged();
      const std::uint64_t bytes = catalog_.begun.empty() ? 0 : catalog_.begun.back().bytes;
      co_await salvage_from(end_.segment_id, end_.offset, bytes, what);
      break;
    }
  }
  if (keeps_staging_ && !staging_.empty()) {
    // What of it continues what is left belongs there; the rest may be of what was set aside.
    co_await keep_staged();
    co_await set_aside(std::string(format::staging_file_name), {});
    staging_.clear();
  }
}

asio::awaitable<opened_parts> opening::assemble() {
  segment_set segments;
  segment_ptr active;
  std::vector<engine::segment_file> known = catalog_.begun;
  for (std::size_t i = 1; i < known.size(); ++i) {
    sealed_ends_[known[i - 1].id] = known[i].header.header.previous_end;
  }
  for (const auto& file : catalog_.unbegun) {
    if (file.id <= end_.segment_id) known.push_back(file);
  }
  for (std::size_t i = 0; i < known.size(); ++i) {
    auto made = std::make_shared<segment>();
    made->id = known[i].id;
    made->name = format::segment_file_name(known[i].id);
    made->sealed = known[i].id < end_.segment_id;
    made->record_bytes_max = known[i].header.header.record_bytes_max;
    if (made->sealed) made->end = sealed_ends_[known[i].id];
    segments.push_back(made);
  }

  const bool stages = writable() && config_.fsync.which() != fsync_policy::kind::always;
  std::size_t ring_bytes = config_.buffer_bytes_max;
  if (!writable()) ring_bytes = std::max(ring_bytes, staging_.size() / 2);
  // Named, for g++ 12 destroys a conditional's temporary twice within a co_await expression.
  std::string backing_file;
  if (stages) {
    backing_file = format::staging_file_name;
    // A file of its own: readers of a log that was abandoned still look into the old one.
    co_await remove_if_there(*files_, backing_file);
  }
  std::unique_ptr<storage::ring_memory> ring = co_await files_->map_ring(backing_file, ring_bytes);
  if (stages) co_await files_->sync_directory();

  engine::log_settings settings;
  settings.log = identity_.log;
  settings.node_id = config_.node_id;
  settings.segment_bytes_max = config_.segment_bytes_max;
  settings.record_bytes_max = config_.record_bytes_max;

  // To be read only, the log keeps what was staged in memory.
  const bool adopts = !writable() && !staged_.empty();
  const log_end& begin = adopts ? file_end_ : end_;
  engine::tail tail(ring->data(), ring->bytes(), settings, begin.segment_id, begin.offset,
                    begin.chain);
  if (begin.segment_id != 0) {
    const segment_ptr newest = segments.find(begin.segment_id);
    const storage::file_ptr file = co_await files_->open(
        newest->name, writable() ? storage::open_mode::write : storage::open_mode::read);
    const std::uint64_t size = co_await files_->size(file);
    segment_file_reader reader(*files_, file, newest->name, size);
    if (begin.offset % format::block_bytes != 0) {
      const std::uint64_t block = block_floor(begin.offset);
      co_await reader.read(block, tail.ring_at(block), format::block_bytes);
    }
    if (writable()) {
      newest->write_file = file;
      newest->allocated = size;
      // What lies behind may be blocks that were never written, or a torn write.
      newest->filled = block_ceil(begin.offset);
      active = newest;
      // What the segment's header allows is all that a reader of it takes for a record.
      std::array<std::byte, segment_header_bytes> header{};
      co_await reader.read(0, header.data(), header.size());
      const std::uint64_t allowed = format::check_segment_header(header).header.record_bytes_max;
      if (allowed < config_.record_bytes_max) tail.end_segment();
    }
  }
  if (adopts) {
    for (const staged_piece& piece : staged_) {
      tail.adopt(piece.segment_id, {staging_.data() + piece.from, piece.bytes}, end_.chain);
    }
  } else if (writable()) {
    tail.begin_epoch(random_epoch(*files_, end_.chain.epoch));
  }
  info.valid_records = end_.chain.records - records_before_;
  info.segments = segments.size();
  opened_parts parts{config_,         *strand_,        files_,
                     std::move(ring), std::move(tail), std::move(segments),
                     identity_,       active,          info.clean_close};
  co_return parts;
}

asio::awaitable<opened_parts> opening::recover() {
  strand_.emplace(storage::make_completion_executor(co_await asio::this_coro::executor));
  files_ = co_await make_storage_(*strand_);
  if (writable()) co_await lock_directory();
  co_await take_stock();
  if (info.created) {
    if (!writable()) {
      throw boost::system::system_error(
          boost::system::errc::make_error_code(boost::system::errc::no_such_file_or_directory),
          config_.dir.string() + " holds no log");
    }
    identity_.log = random_log_id(*files_);
    identity_.first_segment_id = 1;
    identity_.last_segment_id = 0;
    co_await write_identity(*files_, identity_);
  } else {
    co_await verify_sealed();
    co_await find_end();
    if (writable()) {
      co_await carry_staged();
      co_await clear_up();
    }
  }
  co_return co_await assemble();
}

asio::awaitable<wal::opened> log::open(nori::config options) {
  const storage::open_options place{options.dir, options.backend,
                                    options.access == access::read_only};
  const storage_factory on_disk =
      [place, source = options.storage](storage::completion_executor executor) {
        return storage::open_from(source, place, std::move(executor));
      };
  co_return co_await open(std::move(options), on_disk);
}

asio::awaitable<wal::opened> log::open(nori::config options, storage_factory make_storage) {
  complete_config(options);
  const auto began = std::chrono::steady_clock::now();
  std::optional<opening> steps(std::in_place, options, make_storage);
  std::optional<opened_parts> parts;
  // Who only reads may look at a log while it is written to: what seems damaged may be half of a
  // write, and files come and go. Then it looks again: damage stays as it is, a log in use does
  // not.
  std::string last_seen;
  const bool again = options.access == access::read_only;
  for (int attempts_left = again ? same_damage_attempts : 0; !parts;) {
    try {
      parts = co_await steps->recover();
    } catch (const system_error& error) {
      const bool passing =
          error.code() == errc::corruption ||
          (error.code() == boost::system::errc::no_such_file_or_directory && !steps->info.created);
      if (again && error.what() != last_seen &&
          std::chrono::steady_clock::now() - began < reading_patience) {
        attempts_left = same_damage_attempts;
        last_seen = error.what();
      }
      if (!passing || attempts_left-- == 0) throw;
      steps.emplace(options, make_storage);
    }
  }
  recovery_info& info = steps->info;
  const auto made = std::make_shared<log>(std::move(*parts));
  made->start();
  info.duration = std::chrono::steady_clock::now() - began;
  if (meter* const to = made->config_.meter.get()) {
    to->set(metrics::wal_recovery_seconds, std::chrono::duration<double>(info.duration).count(),
            {});
    to->set(metrics::wal_recovered_records, static_cast<double>(info.valid_records), {});
    to->set(metrics::wal_truncated_bytes, static_cast<double>(info.bytes_truncated), {});
  }
  wal::opened result{wal(made), std::move(info)};
  co_return result;
}

}  // namespace nori
