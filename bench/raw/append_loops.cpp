#include "raw/append_loops.hpp"

#include <linux/fs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "common/pace.hpp"
#include "common/scratch.hpp"
#include "raw/files.hpp"
#include "raw/frames.hpp"
#include "raw/ring.hpp"

namespace nori::bench::raw {

namespace {

constexpr std::uint64_t first_frame = 2 * block_bytes;  // behind a header, as in the log
constexpr std::size_t staging_bytes = std::size_t{4} << 20;
constexpr std::size_t piece_bytes = std::size_t{256} << 10;
constexpr unsigned in_flight_max = 4;
constexpr std::uint64_t records_between_checks = 64;

void expect(std::int64_t result, std::size_t bytes) {
  if (result < 0) throw_errno(static_cast<int>(-result), "raw write");
  if (static_cast<std::size_t>(result) != bytes) throw_errno(EIO, "raw write: cut short");
}

// A write that is durable when it returns.
class durable_writer {
 public:
  durable_writer(durable_write how, int fd, const blocks& buffer) : how_(how), fd_(fd) {
    if (how_ != durable_write::uring) return;
    ring_ = ring::try_make(4, ring::mode::deferred);
    if (!ring_) throw_errno(ENOSYS, "io_uring");
    ring_->register_file(fd);
    ring_->register_buffer(buffer.data(), buffer.size());
  }

  void operator()(const std::byte* from, std::size_t bytes, std::uint64_t offset) {
    switch (how_) {
      case durable_write::uring:
        ring_->write(fd_, from, bytes, offset, true, 0);
        expect(ring_->submit_and_wait().result, bytes);
        break;
      case durable_write::pwritev2: {
        const iovec piece{const_cast<std::byte*>(from), bytes};
        const ssize_t done = ::pwritev2(fd_, &piece, 1, static_cast<off_t>(offset), RWF_DSYNC);
        expect(done < 0 ? -errno : done, bytes);
        break;
      }
      case durable_write::fdatasync:
        write_all(fd_, from, bytes, offset);
        if (::fdatasync(fd_) != 0) throw_errno(errno, "raw fdatasync");
        break;
    }
  }

 private:
  durable_write how_;
  int fd_;
  std::unique_ptr<ring> ring_;
};

// When records are due, and how long after that they were done. Without a rate: at once, and since
// the call began.
class arrivals {
 public:
  arrivals(const append_job& job, turn& now) : now_(now), records_per_call_(job.records_per_call) {
    if (job.rate > 0) {
      pace_.emplace(clock::now(), job.rate / static_cast<double>(records_per_call_), 0, 1);
    }
  }

  /// Waits for work. @returns how many records there are, in whole calls; 0: the turn is over.
  [[nodiscard]] std::uint64_t wait(std::uint64_t records_max) {
    // Without a rate a call begins when the one before has ended: the clock is read once for each.
    if (!pace_) return records_max;
    const std::uint64_t calls = std::max<std::uint64_t>(1, records_max / records_per_call_);
    return wait_until_due(*pace_, now_, calls) * records_per_call_;
  }

  /// The same, but does not wait.
  [[nodiscard]] bool is_due() {
    started_ = clock::now();
    return !pace_ || pace_->due_count(started_, 1) != 0;
  }
  [[nodiscard]] bool paced() const noexcept { return pace_.has_value(); }
  [[nodiscard]] clock::time_point due() const noexcept { return pace_->due(); }

  /// @returns the time.
  clock::time_point done(std::uint64_t records) {
    const auto ended = clock::now();
    if (!pace_) {
      now_.note_latency(ended - started_);
      return started_ = ended;
    }
    for (std::uint64_t i = 0; i < records; i += records_per_call_, pace_->advance()) {
      now_.note_latency(ended - pace_->due());
    }
    return ended;
  }

 private:
  turn& now_;
  std::uint64_t records_per_call_;
  std::optional<pace> pace_;
  clock::time_point started_ = clock::now();
};

}  // namespace

const char* text_of(durable_write how, bool direct) noexcept {
  switch (how) {
    case durable_write::uring:
      return direct ? "io_uring writes with O_DIRECT and RWF_DSYNC"
                    : "buffered io_uring writes with RWF_DSYNC";
    case durable_write::pwritev2:
      return direct ? "pwritev2 with O_DIRECT and RWF_DSYNC" : "buffered pwritev2 with RWF_DSYNC";
    case durable_write::fdatasync:
      break;
  }
  return direct ? "O_DIRECT writes and fdatasync" : "buffered writes and fdatasync";
}

void write_durably(const append_job& job, durable_write how, turn& now) {
  const std::size_t write_bytes = job.records_per_write * job.frame_bytes;
  const std::uint64_t file_bytes =
      block_ceil(std::max(job.file_bytes, first_frame + 4 * (write_bytes + block_bytes)));
  const descriptor file = make_zero_file(job.dir / "raw", file_bytes, job.direct);
  const blocks buffer(write_bytes + 2 * block_bytes);
  durable_writer write(how, file.get(), buffer);
  framer frames(job.body, job.frame_bytes);

  // buffer[0] stands for offset block_floor(end) of the file.
  std::uint64_t end = first_frame;
  arrivals arriving(job, now);
  while (now.now() != phase::over) {
    const std::uint64_t records =
        std::min(arriving.wait(job.records_per_write), job.records_per_write);
    if (records == 0) break;
    if (block_ceil(end + write_bytes) > file_bytes) end = first_frame;
    const std::uint64_t from = block_floor(end);
    std::byte* at = buffer.data() + (end - from);
    for (std::uint64_t i = 0; i < records; ++i, at += job.frame_bytes) frames.lay(at);
    end += records * job.frame_bytes;
    const std::size_t used = end - from;
    const std::size_t padded = block_ceil(used);
    std::memset(buffer.data() + used, 0, padded - used);
    write(buffer.data(), padded, from);
    std::memmove(buffer.data(), buffer.data() + block_floor(used), used - block_floor(used));
    arriving.done(records);
    now.tally_of(0).add(records);
  }
}

void write_growing(const append_job& job, turn& now) {
  const bool durable = job.policy == fsync_policy::always();
  const bool windows = job.policy.which() == fsync_policy::kind::batch;
  const std::uint64_t at_once = durable ? job.records_per_write : job.records_per_call;
  const descriptor file = make_zero_file(job.dir / "growing", 0, false);
  const blocks buffer(at_once * job.frame_bytes);
  framer frames(job.body, job.frame_bytes);
  arrivals arriving(job, now);
  std::uint64_t end = 0;
  auto time = clock::now();
  auto window_end = time + job.policy.window();
  while (now.now() != phase::over) {
    const std::uint64_t records = std::min(arriving.wait(at_once), at_once);
    if (records == 0) break;
    std::byte* at = buffer.data();
    for (std::uint64_t i = 0; i < records; ++i, at += job.frame_bytes) frames.lay(at);
    write_all(file.get(), buffer.data(), records * job.frame_bytes, end);
    end += records * job.frame_bytes;
    if (arriving.paced()) time = clock::now();
    const bool window_is_over = windows && time >= window_end;
    if (durable || window_is_over) {
      if (::fdatasync(file.get()) != 0) throw_errno(errno, "raw fdatasync");
    }
    time = arriving.done(records);
    if (window_is_over) window_end = time + job.policy.window();
    now.tally_of(0).add(records);
  }
}

durable_write fastest_durable_write(const append_job& job, bool io_uring, double seconds) {
  std::vector<durable_write> ways;
  if (io_uring) ways.push_back(durable_write::uring);
  ways.push_back(durable_write::pwritev2);
  if (!job.direct) ways.push_back(durable_write::fdatasync);
  std::vector<contestant> contestants;
  for (const durable_write how : ways) {
    contestants.emplace_back("trying raw writes", [&job, how](double turn_seconds) {
      const scratch_directory scratch(job.dir);
      append_job mine = job;
      mine.dir = scratch.path();
      mine.rate = 0;
      mine.file_bytes = std::min<std::uint64_t>(job.file_bytes, std::uint64_t{16} << 20);
      return take_turn(turn_seconds, mine.dir, 1,
                       [&](turn& now) { write_durably(mine, how, now); });
    });
  }
  const auto rounds = take_rounds(contestants, 3, seconds);
  std::size_t best = 0;
  for (std::size_t i = 1; i < ways.size(); ++i) {
    if (figures_of(rounds, i).records_per_s.median >
        figures_of(rounds, best).records_per_s.median) {
      best = i;
    }
  }
  return ways[best];
}

namespace {

// Carries what is staged into the file. Offsets count from the start and are mapped onto the file
// in circles.
class stager {
 public:
  explicit stager(const append_job& job)
      : frame_bytes_(job.frame_bytes),
        file_bytes_(std::max<std::uint64_t>(job.file_bytes / piece_bytes, 8) * piece_bytes),
        file_(make_zero_file(job.dir / "raw", file_bytes_, job.direct)),
        staging_(job.dir / "staging", staging_bytes),
        last_block_(block_bytes),
        ring_(ring::try_make(16, ring::mode::posted)) {
    if (ring_) ring_->register_file(file_.get());
  }

  ~stager() {
    try {
      while (in_flight_ != 0) take(ring_->submit_and_wait());
    } catch (...) {
      // Closing the ring waits for what is in flight.
    }
  }
  stager(const stager&) = delete;
  stager& operator=(const stager&) = delete;

  [[nodiscard]] std::byte* at(std::uint64_t offset) const noexcept { return staging_.at(offset); }

  /// The next piece is framed up to `head`, somewhere behind its end.
  void write_pieces(std::uint64_t head) {
    while (written_ + piece_bytes - written_ % piece_bytes <= head) {
      const std::uint64_t end = written_ + piece_bytes - written_ % piece_bytes;
      const std::uint64_t from = block_floor(written_);
      if (tail_in_flight_) wait_for([&] { return !tail_in_flight_; });
      wait_for([&] { return in_flight_ < in_flight_max; });
      const std::size_t bytes = end - from;
      if (ring_) {
        ring_->write(file_.get(), staging_.at(from), bytes, from % file_bytes_, false,
                     slot_of(from));
        ring_->submit();
        busy_[slot_of(from)] = true;
        expected_[slot_of(from)] = bytes;
        ++in_flight_;
        reap();
      } else {
        write_all(file_.get(), staging_.at(from), bytes, from % file_bytes_);
      }
      written_ = end;
    }
    // Framing goes on in the places behind: what was there must have left.
    wait_for([&] {
      for (std::uint64_t ahead = 0; ahead <= frame_bytes_ + piece_bytes; ahead += piece_bytes) {
        if (busy_[slot_of(written_ + ahead)]) return false;
      }
      return true;
    });
  }

  /// Everything up to `head` shall be durable; it becomes so while framing goes on.
  void start_sync(std::uint64_t head) {
    if (sync_wanted_ || syncing_ || tail_in_flight_) return;  // the disk is slower than the window
    write_pieces(head);
    if (head != written_) {
      const std::uint64_t from = block_floor(written_);
      const std::uint64_t whole = block_floor(head);
      // The block that is being framed in: a copy of it stands still.
      std::memcpy(last_block_.data(), staging_.at(whole), head - whole);
      std::memset(last_block_.data() + (head - whole), 0, block_bytes - (head - whole));
      unsigned count = 0;
      if (whole > from) tail_[count++] = {staging_.at(from), whole - from};
      if (head > whole) tail_[count++] = {last_block_.data(), block_bytes};
      if (ring_) {
        ring_->write(file_.get(), tail_.data(), count, from % file_bytes_, tail_id);
        ring_->submit();
        tail_in_flight_ = true;
        expected_[tail_id] = block_ceil(head) - from;
        ++in_flight_;
      } else {
        for (unsigned i = 0; i < count; ++i) {
          const auto* const data = static_cast<const std::byte*>(tail_[i].iov_base);
          write_all(file_.get(), data, tail_[i].iov_len, (i == 0 ? from : whole) % file_bytes_);
        }
      }
      written_ = head;
    }
    if (!ring_) {
      if (::fdatasync(file_.get()) != 0) throw_errno(errno, "raw fdatasync");
      return;
    }
    sync_wanted_ = true;
    before_sync_ = busy_;
    continue_sync();
  }

  void reap() {
    ring::completion done;
    while (ring_ && in_flight_ != 0 && ring_->poll(done)) take(done);
  }

 private:
  static constexpr std::size_t slots = staging_bytes / piece_bytes;
  static constexpr std::uint64_t tail_id = slots;
  static constexpr std::uint64_t sync_id = slots + 1;

  static std::size_t slot_of(std::uint64_t offset) noexcept { return offset / piece_bytes % slots; }

  template <typename Until>
  void wait_for(Until until) {
    while (!until()) take(ring_->submit_and_wait());
  }

  void take(const ring::completion& done) {
    --in_flight_;
    expect(done.result, expected_[done.id]);
    if (done.id == sync_id) {
      syncing_ = false;
    } else if (done.id == tail_id) {
      tail_in_flight_ = false;
    } else {
      busy_[done.id] = false;
      before_sync_[done.id] = false;
    }
    if (sync_wanted_) continue_sync();
  }

  // A sync covers what was complete when it starts.
  void continue_sync() {
    if (tail_in_flight_) return;
    if (std::find(before_sync_.begin(), before_sync_.end(), true) != before_sync_.end()) return;
    sync_wanted_ = false;
    syncing_ = true;
    ++in_flight_;
    ring_->datasync(file_.get(), sync_id);
    ring_->submit();
  }

  std::size_t frame_bytes_;
  std::uint64_t file_bytes_;
  descriptor file_;
  mapped_ring staging_;
  blocks last_block_;
  std::array<iovec, 2> tail_{};
  std::array<bool, slots> busy_{};
  std::array<bool, slots> before_sync_{};
  std::array<std::size_t, slots + 2> expected_{};  ///< bytes, by id; a sync gives 0
  std::uint64_t written_ = 0;
  unsigned in_flight_ = 0;
  bool tail_in_flight_ = false;
  bool sync_wanted_ = false;
  bool syncing_ = false;
  std::unique_ptr<ring> ring_;
};

}  // namespace

void write_staged(const append_job& job, turn& now) {
  stager out(job);
  framer frames(job.body, job.frame_bytes);
  const bool syncs = job.policy.which() == fsync_policy::kind::batch;
  std::uint64_t head = 0;
  std::uint64_t piece_end = piece_bytes;
  const auto lay_one = [&] {
    frames.lay(out.at(head));
    head += job.frame_bytes;
    if (head >= piece_end) {
      out.write_pieces(head);
      piece_end = head - head % piece_bytes + piece_bytes;
    }
  };
  auto window_end = clock::now() + job.policy.window();
  arrivals arriving(job, now);
  while (now.now() != phase::over) {
    if (arriving.paced()) {
      if (arriving.is_due()) {
        for (std::uint64_t i = 0; i < job.records_per_call; ++i) lay_one();
        arriving.done(job.records_per_call);
        now.tally_of(0).add(job.records_per_call);
      } else {
        const auto nap_end = std::min(arriving.due(), clock::now() + pace_nap);
        std::this_thread::sleep_until(syncs ? std::min(nap_end, window_end) : nap_end);
      }
    } else {
      for (std::uint64_t i = job.records_per_call; i < records_between_checks; ++i) lay_one();
      static_cast<void>(arriving.is_due());
      for (std::uint64_t i = 0; i < job.records_per_call; ++i) lay_one();
      arriving.done(job.records_per_call);
      now.tally_of(0).add(std::max(records_between_checks, job.records_per_call));
    }
    out.reap();
    const auto ended = clock::now();
    if (syncs && ended >= window_end) {
      out.start_sync(head);
      window_end = ended + job.policy.window();
    }
  }
}

}  // namespace nori::bench::raw
