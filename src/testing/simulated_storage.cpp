#include "testing/simulated_storage.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/query.hpp>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include <nori/error.hpp>

#include "format/frame.hpp"
#include "storage/ending.hpp"
#include "storage/mapped_ring.hpp"
#include "testing/granted_memory.hpp"

namespace nori::testing {

using boost::system::error_code;
using boost::system::system_error;
using nori::storage::file_ptr;
using nori::storage::io_kind;
using nori::storage::io_request;
using nori::storage::open_mode;

namespace {

constexpr std::size_t name_bytes_max = 255;

[[noreturn]] void refuse(int error, const char* call, const std::string& name) {
  throw system_error(error_code(error, boost::system::system_category()),
                     std::string(call) + ' ' + name);
}

// A name is never a path.
void check_name(const char* call, const std::string& name) {
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos ||
      name.find('\0') != std::string::npos) {
    refuse(EINVAL, call, name);
  }
  if (name.size() > name_bytes_max) refuse(ENAMETOOLONG, call, name);
}

disk_operation operation_of(const io_request& io) noexcept {
  if (io.kind == io_kind::read) return disk_operation::read;
  if (io.kind == io_kind::sync) return disk_operation::sync;
  return io.durable ? disk_operation::durable_write : disk_operation::write;
}

std::uint64_t bytes_of(const io_request& io) noexcept {
  std::uint64_t sum = 0;
  for (std::uint8_t i = 0; i < io.piece_count; ++i) sum += io.pieces[i].iov_len;
  return sum;
}

bool aligned(const io_request& io) noexcept {
  bool all = io.offset % format::block_bytes == 0;
  for (std::uint8_t i = 0; i < io.piece_count; ++i) {
    all = all && io.pieces[i].iov_len % format::block_bytes == 0 &&
          std::bit_cast<std::uintptr_t>(io.pieces[i].iov_base) % format::block_bytes == 0;
  }
  return all;
}

std::int64_t read_from(simulated_file& file, const io_request& io, bool from_device) {
  std::uint64_t offset = io.offset;
  std::int64_t done = 0;
  for (std::uint8_t i = 0; i < io.piece_count && offset < file.bytes(); ++i) {
    const auto some = std::min<std::uint64_t>(io.pieces[i].iov_len, file.bytes() - offset);
    file.read(offset, static_cast<std::byte*>(io.pieces[i].iov_base), some, from_device);
    offset += some;
    done += static_cast<std::int64_t>(some);
  }
  return done;
}

// Memory of a log, and the file that it is mapped from.
class simulated_ring final : public nori::storage::ring_memory {
 public:
  simulated_ring(std::shared_ptr<disk_state> disk, simulated_file_ptr file,
                 std::unique_ptr<nori::storage::ring_memory> memory)
      : disk_(std::move(disk)), file_(std::move(file)), memory_(std::move(memory)) {
    data_ = memory_->data();
    bytes_ = memory_->bytes();
  }
  ~simulated_ring() override {
    const granted_memory granted;
    if (file_) {
      const std::lock_guard lock(disk_->mutex);
      // A crash may have taken it away, and somebody else may have mapped the file again.
      if (file_->mapped().data() == data_) file_->unmap(disk_->image.stamp);
    }
    disk_->rings->give_back(std::move(memory_));
  }

 private:
  const std::shared_ptr<disk_state> disk_;
  const simulated_file_ptr file_;
  std::unique_ptr<nori::storage::ring_memory> memory_;
};

}  // namespace

// Lies, as `function` and `into` do, in the waiting coroutine's frame.
template <typename Function, typename Result>
class simulated_storage::waiting_call final : public call {
 public:
  waiting_call(disk_operation its_kind, std::string its_name, Function& function,
               nori::storage::detail::outcome<Result>& into) noexcept
      : call(its_kind, std::move(its_name)), function_(function), into_(into) {}

  void perform(int error) noexcept override {
    if (error == 0) {
      into_.set(function_);
      return;
    }
    auto failing = [&]() -> Result { refuse(error, "simulated fault in", name); };
    into_.set(failing);
  }

 private:
  Function& function_;
  nori::storage::detail::outcome<Result>& into_;
};

template <typename Function>
asio::awaitable<std::invoke_result_t<Function&>> simulated_storage::queued(disk_operation what,
                                                                           std::string name,
                                                                           Function function) {
  using result = std::invoke_result_t<Function&>;
  nori::storage::detail::outcome<result> into;
  waiting_call<Function, result> waiting(what, std::move(name), function, into);
  co_await asio::async_initiate<const asio::use_awaitable_t<>&, void()>(
      [&](auto&& handler) {
        waiting.parked.store(std::move(handler), true);
        if (!submit({nullptr, &waiting})) waiting.parked.destroy();
      },
      asio::use_awaitable);
  co_return into.get();
}

simulated_storage::simulated_storage(std::shared_ptr<disk_state> disk, std::string path,
                                     bool read_only, nori::storage::completion_executor executor)
    : disk_(std::move(disk)),
      path_(std::move(path)),
      read_only_(read_only),
      executor_(std::move(executor)) {
  queue_.reserve(64);
}

simulated_storage::~simulated_storage() { shutdown(); }

std::uint32_t simulated_storage::random_word() {
  const std::lock_guard lock(disk_->mutex);
  return static_cast<std::uint32_t>(disk_->random());
}

// --- the queue

bool simulated_storage::submit(entry what) noexcept {
  const granted_memory granted;
  const disk_operation kind = what.io != nullptr ? operation_of(*what.io) : what.other->what;
  bool holds = false;
  {
    const std::lock_guard lock(disk_->mutex);
    if (!disk_->faults.holds_on.empty()) {
      holds = disk_->faults.holds(kind, what.io != nullptr
                                            ? simulated_handle::from(*what.io->target).file->name
                                            : what.other->name);
    }
  }
  const std::lock_guard lock(mutex_);
  if (ended_) return false;
  (holds ? held_ : queue_).push_back(what);
  if (!holds) schedule_locked();
  return true;
}

void simulated_storage::schedule_locked() {
  if (ended_ || scheduled_ || queue_.empty()) return;
  scheduled_ = true;
  asio::post(*executor_, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->drain();
  });
}

void simulated_storage::start(io_request& first) noexcept {
  for (io_request* each = &first; each != nullptr;) {
    io_request& request = *each;
    each = request.next;
    request.next = nullptr;
    if (!submit({&request, nullptr}) && request.abandon != nullptr) request.abandon(request);
  }
}

void simulated_storage::drain() {
  entry chosen;
  {
    const std::lock_guard disk_lock(disk_->mutex);
    const std::lock_guard lock(mutex_);
    scheduled_ = false;
    if (ended_ || queue_.empty()) return;
    chosen = queue_[disk_->options.reorders ? disk_->random() % queue_.size() : 0];
    working_ = true;
    worker_ = std::this_thread::get_id();
  }
  work_on(chosen);
  const granted_memory granted;
  const std::lock_guard lock(mutex_);
  working_ = false;
  if (!ended_) schedule_locked();
  drained_.notify_all();
}

// Counts it, and tells whoever wants to know of it before it happens.
void simulated_storage::announce(const entry& chosen) {
  std::function<void(const disk_event&)> hook;
  disk_event what;
  std::optional<power_cut> cut;
  {
    const std::lock_guard lock(disk_->mutex);
    what.number = ++disk_->operations;
    if (what.number == disk_->cut_before) cut = disk_->cut_how;
    hook = disk_->hook;
    if (hook) {
      what.directory = path_;
      if (chosen.io != nullptr) {
        what.what = operation_of(*chosen.io);
        what.name = simulated_handle::from(*chosen.io->target).file->name;
        what.offset = chosen.io->offset;
        what.bytes = bytes_of(*chosen.io);
      } else {
        what.what = chosen.other->what;
        what.name = chosen.other->name;
      }
    }
  }
  if (hook) hook(what);
  if (cut) disk_->end_of_process(&*cut);
}

void simulated_storage::work_on(const entry& chosen) {
  {
    const granted_memory granted;
    announce(chosen);
    const std::lock_guard disk_lock(disk_->mutex);
    {
      const std::lock_guard lock(mutex_);
      // Until now it was in flight. Somebody may have ended this storage meanwhile.
      if (ended_) return;
      queue_.erase(std::find(queue_.begin(), queue_.end(), chosen));
    }
    if (chosen.io != nullptr) {
      chosen.io->result = perform_locked(*chosen.io);
    } else {
      int error = cut_off_ ? EIO : 0;
      if (error == 0) {
        if (const auto fault = disk_->faults.next(chosen.other->what, chosen.other->name)) {
          error = fault->error;
        }
      }
      chosen.other->perform(error);
    }
  }
  if (chosen.io != nullptr) {
    chosen.io->complete(*chosen.io);
  } else {
    chosen.other->parked.post();
  }
}

void simulated_storage::drop(const entry& what) noexcept {
  if (what.other != nullptr) {
    what.other->parked.destroy();
  } else if (what.io->abandon != nullptr) {
    what.io->abandon(*what.io);
  }
}

void simulated_storage::shutdown() noexcept {
  std::optional<granted_memory> granted(std::in_place);
  std::vector<entry> dropped;
  decltype(alarms_) silenced;
  decltype(executor_) gone;
  {
    std::unique_lock lock(mutex_);
    ended_ = true;
    drained_.wait(lock, [&] { return !working_ || worker_ == std::this_thread::get_id(); });
    dropped.swap(queue_);
    dropped.insert(dropped.end(), held_.begin(), held_.end());
    held_.clear();
    silenced.swap(alarms_);
    gone.swap(executor_);
  }
  {
    const std::lock_guard lock(disk_->mutex);
    std::erase_if(disk_->locks, [&](const auto& each) { return each.second == this; });
  }
  granted.reset();
  for (const entry& each : dropped) drop(each);
}

void simulated_storage::cut_off() noexcept {
  const std::lock_guard lock(mutex_);
  cut_off_ = true;
}

void simulated_storage::release() {
  const std::lock_guard lock(mutex_);
  if (ended_) return;
  queue_.insert(queue_.end(), held_.begin(), held_.end());
  held_.clear();
  schedule_locked();
}

// --- transfers

std::int64_t simulated_storage::perform_locked(io_request& io) {
  simulated_handle& on = simulated_handle::from(*io.target);
  if (cut_off_) return -EIO;
  if (io.kind == io_kind::sync) return sync_locked(on);
  if (io.kind == io_kind::write && !on.writable()) return -EBADF;
  if (on.direct() && !aligned(io)) return -EINVAL;
  on.file->absorb_mapping(disk_->image.stamp);
  if (io.kind == io_kind::write) return write_locked(io, on);
  if (const auto fault = disk_->faults.next(disk_operation::read, on.file->name)) {
    return -fault->error;
  }
  return read_from(*on.file, io, on.opened_as == open_mode::read_direct);
}

std::int64_t simulated_storage::write_locked(const io_request& io, simulated_handle& to) {
  simulated_file& file = *to.file;
  const auto fault = disk_->faults.next(operation_of(io), file.name);
  const auto is = [&](disk_fault::kind how) { return fault && fault->how == how; };
  if (is(disk_fault::kind::error)) return -fault->error;
  if (disk_->read_only || read_only_) return -EROFS;

  std::uint64_t left = bytes_of(io);
  if (disk_->faults.write_bytes_max != 0) {
    std::uint64_t most = disk_->faults.write_bytes_max;
    if (to.direct()) most = (most + format::block_bytes - 1) / format::block_bytes * 4096;
    left = std::min(left, most);
  }
  if (is(disk_fault::kind::torn)) left = disk_->random() % (left / sector_bytes + 1) * sector_bytes;
  if (disk_->options.space_bytes_max != 0) {
    const std::uint64_t blocks = (io.offset + left + 4095) / 4096;
    const std::uint64_t more = blocks > file.blocks() ? (blocks - file.blocks()) * 4096 : 0;
    if (more != 0 && disk_->image.bytes_used() + more > disk_->options.space_bytes_max) {
      return -ENOSPC;
    }
  }
  const std::uint64_t wanted = left;
  if (!is(disk_fault::kind::lost)) {
    std::uint64_t offset = io.offset;
    if (is(disk_fault::kind::misdirected)) offset += fault->distance_bytes;
    for (std::uint8_t i = 0; i < io.piece_count && left != 0; ++i) {
      const auto some =
          static_cast<std::size_t>(std::min<std::uint64_t>(io.pieces[i].iov_len, left));
      std::span<const std::byte> bytes(static_cast<const std::byte*>(io.pieces[i].iov_base), some);
      std::vector<std::byte> rubbish;
      if (is(disk_fault::kind::garbage)) {
        rubbish.resize(some);
        for (std::byte& each : rubbish) each = static_cast<std::byte>(disk_->random());
        bytes = rubbish;
      }
      file.write(offset, bytes, disk_->image.stamp);
      offset += some;
      left -= some;
    }
    if (io.durable && !is(disk_fault::kind::torn)) {
      file.settle(is(disk_fault::kind::misdirected) ? io.offset + fault->distance_bytes : io.offset,
                  wanted);
    }
  }
  return is(disk_fault::kind::torn) ? -fault->error : static_cast<std::int64_t>(wanted);
}

std::int64_t simulated_storage::sync_locked(simulated_handle& of) {
  of.file->absorb_mapping(disk_->image.stamp);
  const auto fault = disk_->faults.next(disk_operation::sync, of.file->name);
  if (!fault) {
    if (disk_->read_only && !of.file->pending().empty()) return -EROFS;
    if (disk_->read_only) return 0;
    of.file->sync();
    return 0;
  }
  if (fault->how == disk_fault::kind::lost) return 0;
  if (disk_->faults.after_failed_sync != failed_sync::keeps) of.file->lose_pending();
  if (disk_->faults.after_failed_sync == failed_sync::read_only) disk_->read_only = true;
  return -fault->error;
}

std::size_t simulated_storage::read_cached(const file_ptr& from, std::uint64_t offset, void* to,
                                           std::size_t bytes) noexcept {
  const simulated_handle& on = simulated_handle::from(*from);
  if (on.direct()) return 0;
  const std::lock_guard lock(disk_->mutex);
  // What may fail is to come to start().
  if (cut_off_ || disk_->faults.reads_fail()) return 0;
  const granted_memory granted;
  on.file->absorb_mapping(disk_->image.stamp);
  if (offset >= on.file->bytes()) return 0;
  const auto some =
      static_cast<std::size_t>(std::min<std::uint64_t>(bytes, on.file->bytes() - offset));
  on.file->read(offset, static_cast<std::byte*>(to), some, false);
  return some;
}

// --- everything else

simulated_directory& simulated_storage::directory_locked() {
  return disk_->image.directories[path_];
}

void simulated_storage::check_change_locked(const char* call, const std::string& name) const {
  if (read_only_) {
    throw_error(errc::read_only, std::string(call) + ' ' + name + ": opened for reading only");
  }
  if (disk_->read_only) refuse(EROFS, call, name);
}

void simulated_storage::check_space_locked(const simulated_file& of, std::uint64_t bytes) const {
  if (disk_->options.space_bytes_max == 0) return;
  const std::uint64_t blocks = (bytes + 4095) / 4096;
  if (blocks <= of.blocks()) return;
  if (disk_->image.bytes_used() + (blocks - of.blocks()) * 4096 > disk_->options.space_bytes_max) {
    refuse(ENOSPC, "allocate", of.name);
  }
}

std::string simulated_storage::name_of(const file_ptr& of) const {
  const std::lock_guard lock(disk_->mutex);
  return simulated_handle::from(*of).file->name;
}

simulated_file_ptr simulated_storage::create_locked(const std::string& name) {
  auto made = std::make_shared<simulated_file>(name);
  simulated_directory::change comes;
  comes.emplace_back(name, made);
  directory_locked().set(std::move(comes), disk_->image.stamp);
  return made;
}

asio::awaitable<file_ptr> simulated_storage::open(std::string name, open_mode mode) {
  return queued(disk_operation::open, name, [this, name, mode]() -> file_ptr {
    check_name("open", name);
    const bool writes = mode == open_mode::write || mode == open_mode::create;
    if (writes) check_change_locked("open", name);
    const auto& names = directory_locked().seen;
    const auto found = names.find(name);
    simulated_file_ptr file = found != names.end() ? found->second : nullptr;
    if (mode == open_mode::create) {
      if (file) refuse(EEXIST, "open", name);
      file = create_locked(name);
    } else if (!file) {
      refuse(ENOENT, "open", name);
    }
    const bool direct = mode != open_mode::read && disk_->options.direct_io;
    return std::make_shared<simulated_handle>(std::move(file), mode, direct);
  });
}

asio::awaitable<std::uint64_t> simulated_storage::size(file_ptr of) {
  const std::string name = name_of(of);
  return queued(disk_operation::size, name,
                [of = std::move(of)] { return simulated_handle::from(*of).file->bytes(); });
}

asio::awaitable<void> simulated_storage::allocate(file_ptr of, std::uint64_t offset,
                                                  std::uint64_t bytes) {
  const std::string name = name_of(of);
  return queued(disk_operation::allocate, name, [this, of = std::move(of), offset, bytes] {
    const simulated_handle& on = simulated_handle::from(*of);
    check_change_locked("allocate", on.file->name);
    if (!on.writable()) refuse(EBADF, "allocate", on.file->name);
    check_space_locked(*on.file, offset + bytes);
    on.file->reserve_to(offset + bytes);
    if (offset + bytes > on.file->bytes()) {
      on.file->resize(offset + bytes, disk_->image.stamp);
    }
  });
}

asio::awaitable<void> simulated_storage::truncate(file_ptr of, std::uint64_t bytes) {
  const std::string name = name_of(of);
  return queued(disk_operation::truncate, name, [this, of = std::move(of), bytes] {
    const simulated_handle& on = simulated_handle::from(*of);
    check_change_locked("truncate", on.file->name);
    if (!on.writable()) refuse(EINVAL, "truncate", on.file->name);
    on.file->resize(bytes, disk_->image.stamp);
  });
}

asio::awaitable<void> simulated_storage::rename(std::string from, std::string to) {
  return queued(disk_operation::rename, to, [this, from, to] {
    check_name("rename", from);
    check_name("rename", to);
    check_change_locked("rename", from);
    auto& names = directory_locked().seen;
    const auto found = names.find(from);
    if (found == names.end()) refuse(ENOENT, "rename", from);
    const simulated_file_ptr file = found->second;
    if (from == to) return;
    file->name = to;
    simulated_directory::change moves;
    moves.emplace_back(from, nullptr);
    moves.emplace_back(to, file);
    directory_locked().set(std::move(moves), disk_->image.stamp);
  });
}

asio::awaitable<void> simulated_storage::remove(std::string name) {
  return queued(disk_operation::remove, name, [this, name] {
    check_name("remove", name);
    check_change_locked("remove", name);
    if (!directory_locked().seen.contains(name)) refuse(ENOENT, "remove", name);
    simulated_directory::change goes;
    goes.emplace_back(name, nullptr);
    directory_locked().set(std::move(goes), disk_->image.stamp);
  });
}

asio::awaitable<void> simulated_storage::sync_directory() {
  return queued(disk_operation::sync_directory, {}, [this] {
    if (disk_->read_only) refuse(EROFS, "sync", path_);
    directory_locked().sync();
  });
}

asio::awaitable<std::vector<nori::storage::directory_entry>> simulated_storage::list() {
  return queued(disk_operation::list, {}, [this] {
    std::vector<nori::storage::directory_entry> all;
    for (const auto& [name, file] : directory_locked().seen) {
      all.push_back({name, file->bytes(), true});
    }
    return all;
  });
}

asio::awaitable<std::unique_ptr<nori::storage::ring_memory>> simulated_storage::map_ring(
    std::string name, std::size_t bytes) {
  return queued(disk_operation::map_ring, name,
                [this, name, bytes]() -> std::unique_ptr<nori::storage::ring_memory> {
                  auto memory = disk_->rings->take(bytes);
                  simulated_file_ptr file;
                  if (!name.empty()) {
                    check_name("map", name);
                    check_change_locked("map", name);
                    auto& names = directory_locked().seen;
                    const auto found = names.find(name);
                    file = found != names.end() ? found->second : create_locked(name);
                    check_space_locked(*file, bytes);
                    file->resize(0, disk_->image.stamp);
                    file->resize(bytes, disk_->image.stamp);
                    file->reserve_to(bytes);
                    file->sync();
                    file->map({memory->data(), bytes});
                  }
                  return std::make_unique<simulated_ring>(disk_, std::move(file),
                                                          std::move(memory));
                });
}

asio::awaitable<bool> simulated_storage::lock(std::string lock_name) {
  return queued(disk_operation::lock, lock_name, [this, lock_name] {
    check_name("lock", lock_name);
    check_change_locked("lock", lock_name);
    const auto [at, is_new] = disk_->locks.try_emplace({path_, lock_name}, this);
    if (is_new && !directory_locked().seen.contains(lock_name)) {
      static_cast<void>(create_locked(lock_name));
    }
    return is_new;
  });
}

asio::awaitable<void> simulated_storage::unlock() {
  return queued(disk_operation::unlock, {}, [this] {
    std::erase_if(disk_->locks, [&](const auto& each) { return each.second == this; });
  });
}

// --- the clock

std::chrono::system_clock::time_point simulated_storage::wall() const noexcept {
  const std::lock_guard lock(disk_->mutex);
  return disk_->options.starts_at +
         std::chrono::duration_cast<std::chrono::system_clock::duration>(disk_->elapsed);
}

std::uint64_t simulated_storage::set(std::unique_ptr<nori::storage::alarm> what,
                                     std::chrono::nanoseconds after) {
  const granted_memory granted;
  const std::lock_guard disk_lock(disk_->mutex);
  const std::lock_guard lock(mutex_);
  const std::uint64_t which = ++disk_->alarms;
  if (!ended_) alarms_.emplace(std::pair(disk_->elapsed + after, which), std::move(what));
  return which;
}

void* simulated_storage::alarm_memory(std::size_t bytes) {
  const granted_memory granted;
  return ::operator new(bytes);
}

void simulated_storage::cancel(std::uint64_t which) noexcept {
  const granted_memory granted;
  std::unique_ptr<nori::storage::alarm> found;
  {
    const std::lock_guard lock(mutex_);
    const auto at = std::find_if(alarms_.begin(), alarms_.end(),
                                 [&](const auto& each) { return each.first.second == which; });
    if (at == alarms_.end()) return;
    found = std::move(at->second);
    alarms_.erase(at);
  }
  found->ring(asio::error::operation_aborted);
}

std::optional<std::chrono::nanoseconds> simulated_storage::next_alarm() const {
  const std::lock_guard lock(mutex_);
  if (alarms_.empty()) return std::nullopt;
  return alarms_.begin()->first.first;
}

bool simulated_storage::ring(std::chrono::nanoseconds now) noexcept {
  const granted_memory granted;
  std::unique_ptr<nori::storage::alarm> due;
  {
    const std::lock_guard lock(mutex_);
    if (alarms_.empty() || alarms_.begin()->first.first > now) return false;
    due = std::move(alarms_.begin()->second);
    alarms_.erase(alarms_.begin());
  }
  due->ring({});
  return true;
}

// --- opening

asio::awaitable<std::shared_ptr<nori::storage::storage>> disk_state::open(
    nori::storage::open_options chosen, nori::storage::completion_executor executor) {
  const std::string path = chosen.dir.lexically_normal().string();
  std::shared_ptr<simulated_storage> made;
  {
    const std::lock_guard lock(mutex);
    if (chosen.read_only && !image.directories.contains(path)) refuse(ENOENT, "open", path);
    if (read_only && !image.directories.contains(path)) refuse(EROFS, "create", path);
    image.directories.try_emplace(path);
    made =
        std::make_shared<simulated_storage>(shared_from_this(), path, chosen.read_only, executor);
    std::erase_if(storages, [](const auto& known) { return known.expired(); });
    storages.push_back(made);
  }
  asio::use_service<nori::storage::ending_with_context>(
      asio::query(executor, asio::execution::context))
      .add(made);
  co_return made;
}

}  // namespace nori::testing
