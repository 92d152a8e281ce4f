#include "support/faulty_storage.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <optional>
#include <set>

#include "format/frame.hpp"
#include "format/segment_header.hpp"

namespace nori::test {

using storage::io_kind;
using storage::io_request;

namespace {

constexpr std::uint64_t block_bytes = format::block_bytes;

std::size_t whole_blocks(std::size_t bytes) noexcept {
  return (bytes + block_bytes - 1) / block_bytes * block_bytes;
}

bool matches(operation rule, operation what) noexcept {
  return rule == what || (rule == operation::write && what == operation::durable_write);
}

operation operation_of(const io_request& request) noexcept {
  if (request.kind == io_kind::read) return operation::read;
  if (request.kind == io_kind::sync) return operation::sync;
  return request.durable ? operation::durable_write : operation::write;
}

std::uint64_t bytes_of(const io_request& request) noexcept {
  std::uint64_t sum = 0;
  for (std::uint8_t i = 0; i < request.piece_count; ++i) sum += request.pieces[i].iov_len;
  return sum;
}

[[noreturn]] void throw_errno(int error, const char* call, const std::string& name) {
  throw boost::system::system_error(error, boost::system::system_category(),
                                    std::string(call) + " " + name);
}

class faulty_file final : public storage::file {
 public:
  faulty_file(storage::file_ptr real, std::string its_name, storage::open_mode mode)
      : inner(std::move(real)), name(std::move(its_name)), opened_as(mode) {}
  [[nodiscard]] bool direct() const noexcept override { return inner->direct(); }

  const storage::file_ptr inner;
  std::string name;  ///< guarded by the storage's mutex
  const storage::open_mode opened_as;
};

}  // namespace

/// A storage whose operations fail, fall short and wait as the faults say.
class faulty_storage final : public storage::storage,
                             public std::enable_shared_from_this<faulty_storage> {
 public:
  faulty_storage(faults& rules, std::shared_ptr<storage> inner,
                 nori::storage::completion_executor executor)
      : rules_(rules), inner_(std::move(inner)), executor_(std::move(executor)) {}
  ~faulty_storage() override { shutdown(); }

  [[nodiscard]] nori::backend which() const noexcept override { return inner_->which(); }

  void start(io_request& first) noexcept override {
    io_request* chain = nullptr;
    io_request** last = &chain;
    for (io_request* each = &first; each != nullptr;) {
      io_request& outer = *each;
      each = outer.next;
      if (io_request* const inner = wrap(outer)) {
        *last = inner;
        last = &inner->next;
      }
    }
    if (chain != nullptr) inner_->start(*chain);
  }

  // Nothing, so that every read comes to start(), where it can be made to fail.
  [[nodiscard]] std::size_t read_cached(const nori::storage::file_ptr& /*from*/,
                                        std::uint64_t /*offset*/, void* /*to*/,
                                        std::size_t /*bytes*/) noexcept override {
    return 0;
  }

  // Names are parameters by value: they live in the coroutines' frames.

  asio::awaitable<nori::storage::file_ptr> open(std::string name,
                                                nori::storage::open_mode mode) override {
    check(operation::open, name);
    nori::storage::file_ptr real = co_await inner_->open(name, mode);
    auto made = std::make_shared<faulty_file>(std::move(real), name, mode);
    const std::lock_guard lock(mutex_);
    std::erase_if(files_, [](const auto& known) { return known.expired(); });
    files_.push_back(made);
    co_return made;
  }
  asio::awaitable<std::uint64_t> size(nori::storage::file_ptr of) override {
    check(operation::size, name_of(*of));
    co_return co_await inner_->size(real(of));
  }
  asio::awaitable<void> allocate(nori::storage::file_ptr of, std::uint64_t offset,
                                 std::uint64_t bytes) override {
    check(operation::allocate, name_of(*of), offset, bytes);
    co_await inner_->allocate(real(of), offset, bytes);
  }
  asio::awaitable<void> truncate(nori::storage::file_ptr of, std::uint64_t bytes) override {
    check(operation::truncate, name_of(*of), bytes);
    co_await inner_->truncate(real(of), bytes);
  }
  asio::awaitable<void> rename(std::string from, std::string to) override {
    check(operation::rename, to);
    co_await inner_->rename(from, to);
    rules_.renamed(from, to);
    const std::lock_guard lock(mutex_);
    for (const auto& known : files_) {
      const auto file = known.lock();
      if (file && file->name == from) file->name = to;
    }
  }
  asio::awaitable<void> remove(std::string name) override {
    check(operation::remove, name);
    co_await inner_->remove(name);
  }
  asio::awaitable<void> sync_directory() override {
    check(operation::sync_directory, {});
    co_await inner_->sync_directory();
  }
  asio::awaitable<std::vector<nori::storage::directory_entry>> list() override {
    check(operation::list, {});
    co_return co_await inner_->list();
  }
  asio::awaitable<std::unique_ptr<nori::storage::ring_memory>> map_ring(
      std::string name, std::size_t bytes) override {
    check(operation::map_ring, name);
    co_return co_await inner_->map_ring(name, bytes);
  }
  asio::awaitable<bool> lock(std::string lock_name) override {
    check(operation::lock, lock_name);
    co_return co_await inner_->lock(lock_name);
  }
  asio::awaitable<void> unlock() override {
    check(operation::unlock, {});
    co_await inner_->unlock();
  }

  void shutdown() noexcept override {
    inner_->shutdown();
    std::set<proxy*> left;
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
      left.swap(waiting_);
    }
    for (proxy* const each : left) {
      io_request& outer = *each->outer;
      delete each;
      if (outer.abandon != nullptr) outer.abandon(outer);
    }
  }

  /// Completes what is held.
  void release() {
    const std::lock_guard lock(mutex_);
    for (proxy* const each : waiting_) {
      if (!each->held) continue;
      each->held = false;
      if (each->finished) post_completion(each);
    }
  }

  [[nodiscard]] std::size_t held() {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(std::count_if(
        waiting_.begin(), waiting_.end(), [](const proxy* p) { return p->held && p->finished; }));
  }

 private:
  struct proxy {
    io_request inner;
    io_request* outer = nullptr;
    faulty_storage* self = nullptr;
    std::string name;
    std::size_t event = 0;
    std::int64_t result_max = INT64_MAX;
    bool held = false;
    bool finished = false;
    std::optional<asio::any_io_executor> work;  ///< while nothing else keeps the context running
  };

  static nori::storage::file_ptr real(const nori::storage::file_ptr& of) {
    return static_cast<faulty_file&>(*of).inner;
  }
  std::string name_of(nori::storage::file& of) {
    const std::lock_guard lock(mutex_);
    return static_cast<faulty_file&>(of).name;
  }
  void check(operation what, const std::string& name, std::uint64_t offset = 0,
             std::uint64_t bytes = 0) {
    if (const int error = rules_.begin(what, name, offset, bytes)) {
      throw_errno(error, "injected fault", name);
    }
  }

  // What to start, or null where it fails at once.
  io_request* wrap(io_request& outer) {
    auto* const made = new proxy;
    made->outer = &outer;
    made->self = this;
    made->name = name_of(*outer.target);
    io_request& inner = made->inner;
    inner.kind = outer.kind;
    inner.durable = outer.durable;
    inner.offset = outer.offset;
    inner.piece_count = outer.piece_count;
    inner.pieces = outer.pieces;
    inner.target = real(outer.target);
    inner.owner = made;
    inner.complete = [](io_request& done) noexcept {
      auto* const of = static_cast<proxy*>(done.owner);
      of->self->completed(of);
    };
    inner.abandon = [](io_request& dropped) noexcept {
      auto* const of = static_cast<proxy*>(dropped.owner);
      {
        const std::lock_guard lock(of->self->mutex_);
        of->self->waiting_.erase(of);
      }
      io_request& given = *of->outer;
      delete of;
      if (given.abandon != nullptr) given.abandon(given);
    };
    const operation what = operation_of(outer);
    const int error = rules_.begin(what, made->name, outer.offset, bytes_of(outer));
    {
      const std::lock_guard lock(rules_.mutex_);
      made->event = rules_.events_.size() - 1;
      made->held = rules_.holds(what, made->name);
      if (outer.kind == io_kind::write) {
        if (rules_.write_bytes_max_ != 0) {
          shorten(inner, outer.target->direct() ? whole_blocks(rules_.write_bytes_max_)
                                                : rules_.write_bytes_max_);
          made->result_max = static_cast<std::int64_t>(rules_.write_bytes_max_);
        }
        if (error == 0) rules_.before_write(made->name, inner.offset, bytes_of(inner));
      }
      if (error != 0 && outer.kind == io_kind::sync) rules_.synced(made->name, true);
    }
    const std::lock_guard lock(mutex_);
    waiting_.insert(made);
    if (made->held || error != 0) {
      made->work =
          asio::prefer(asio::any_io_executor(executor_), asio::execution::outstanding_work.tracked);
    }
    if (error == 0) return &inner;
    inner.result = -error;
    finish(made);
    return nullptr;
  }

  static void shorten(io_request& write, std::size_t most) {
    std::size_t left = most;
    std::uint8_t kept = 0;
    for (std::uint8_t i = 0; i < write.piece_count && left != 0; ++i) {
      write.pieces[i].iov_len = std::min(write.pieces[i].iov_len, left);
      left -= write.pieces[i].iov_len;
      ++kept;
    }
    write.piece_count = kept;
  }

  void completed(proxy* done) noexcept {
    {
      const std::lock_guard lock(rules_.mutex_);
      const io_request& inner = done->inner;
      const bool read_device = static_cast<faulty_file&>(*done->outer->target).opened_as ==
                               nori::storage::open_mode::read_direct;
      if (inner.kind == io_kind::read && inner.result > 0 && read_device) {
        rules_.overlay(done->name, inner);
      }
      if (inner.kind == io_kind::sync && inner.result >= 0) rules_.synced(done->name, false);
      if (inner.kind == io_kind::write && inner.durable && inner.result > 0) {
        const auto first = inner.offset / block_bytes;
        const auto last =
            (inner.offset + static_cast<std::uint64_t>(inner.result) - 1) / block_bytes;
        for (auto block = first; block <= last; ++block) {
          rules_.unsynced_.erase({done->name, block});
        }
      }
    }
    {
      const std::lock_guard lock(mutex_);
      if (done->held) {
        done->finished = true;
        return;
      }
      waiting_.erase(done);
    }
    hand_over(done);
  }

  // With the mutex held.
  void finish(proxy* done) {
    done->finished = true;
    if (!done->held) post_completion(done);
  }
  void post_completion(proxy* done) {
    asio::post(executor_, [self = weak_from_this(), done] {
      const auto alive = self.lock();
      if (!alive) return;
      {
        const std::lock_guard lock(alive->mutex_);
        if (alive->waiting_.erase(done) == 0) return;
      }
      alive->hand_over(done);
    });
  }
  void hand_over(proxy* done) noexcept {
    io_request& outer = *done->outer;
    outer.result = std::min(done->inner.result, done->result_max);
    {
      const std::lock_guard lock(rules_.mutex_);
      if (done->event < rules_.events_.size()) {
        rules_.events_[done->event].result = outer.result;
      }
    }
    delete done;
    outer.complete(outer);
  }

  faults& rules_;
  const std::shared_ptr<storage> inner_;
  const nori::storage::completion_executor executor_;
  std::mutex mutex_;
  std::set<proxy*> waiting_;
  std::vector<std::weak_ptr<faulty_file>> files_;
  bool ended_ = false;
};

void faults::fail(operation what, int error, std::string name, std::uint64_t kth, bool for_ever) {
  const std::lock_guard lock(mutex_);
  rules_.push_back({what, std::move(name), error, kth, for_ever});
}

void faults::shorten_writes(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  write_bytes_max_ = bytes;
}

void faults::hold(operation what, std::string name) {
  const std::lock_guard lock(mutex_);
  holds_.emplace_back(what, std::move(name));
}

void faults::release() {
  std::vector<std::weak_ptr<faulty_storage>> all;
  {
    const std::lock_guard lock(mutex_);
    holds_.clear();
    all = storages_;
  }
  for (const auto& each : all) {
    if (const auto alive = each.lock()) alive->release();
  }
}

void faults::clear() {
  {
    const std::lock_guard lock(mutex_);
    rules_.clear();
    write_bytes_max_ = 0;
  }
  release();
}

void faults::lie_after_failed_sync(std::filesystem::path dir) {
  const std::lock_guard lock(mutex_);
  lies_in_ = std::move(dir);
}

void faults::cut_power() {
  const std::lock_guard lock(mutex_);
  // A block that was lost and written again since is in both: the older bytes are the device's.
  lost_.merge(unsynced_);
  for (const auto& [where, bytes] : lost_) {
    std::fstream file(lies_in_ / where.first, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(where.second * block_bytes));
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }
  std::filesystem::remove(lies_in_ / format::staging_file_name);
  lost_.clear();
  unsynced_.clear();
}

std::uint64_t faults::count(operation what, const std::string& name) const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::uint64_t>(
      std::count_if(events_.begin(), events_.end(), [&](const event& e) {
        return matches(what, e.what) && e.name.find(name) != std::string::npos;
      }));
}

std::size_t faults::held() const {
  std::vector<std::weak_ptr<faulty_storage>> all;
  {
    const std::lock_guard lock(mutex_);
    all = storages_;
  }
  std::size_t sum = 0;
  for (const auto& each : all) {
    if (const auto alive = each.lock()) sum += alive->held();
  }
  return sum;
}

std::vector<faults::event> faults::events() const {
  const std::lock_guard lock(mutex_);
  return events_;
}

log::storage_factory faults::storage_in(std::filesystem::path dir, nori::backend backend,
                                        bool read_only) {
  storage::open_options place;
  place.dir = std::move(dir);
  place.backend = backend;
  place.read_only = read_only;
  return [this, place](storage::completion_executor executor)
             -> asio::awaitable<std::shared_ptr<storage::storage>> {
    // A coroutine that captures would have to outlive its closure: this one is called at once.
    return
        [](faults* self, storage::open_options where,
           storage::completion_executor on) -> asio::awaitable<std::shared_ptr<storage::storage>> {
          auto inner = co_await storage::open_storage(where, on);
          auto made = std::make_shared<faulty_storage>(*self, std::move(inner), on);
          const std::lock_guard lock(self->mutex_);
          self->storages_.push_back(made);
          co_return made;
        }(this, place, std::move(executor));
  };
}

int faults::begin(operation what, const std::string& name, std::uint64_t offset,
                  std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  events_.push_back({what, name, offset, bytes});
  int error = 0;
  for (rule& each : rules_) {
    if (!matches(each.what, what) || name.find(each.name) == std::string::npos) continue;
    if (each.left > 1) {
      --each.left;
    } else if (each.left == 1 || each.for_ever) {
      each.left = 0;
      if (error == 0) error = each.error;
    }
  }
  return error;
}

bool faults::holds(operation what, const std::string& name) const {
  return std::any_of(holds_.begin(), holds_.end(), [&](const auto& h) {
    return matches(h.first, what) && name.find(h.second) != std::string::npos;
  });
}

void faults::before_write(const std::string& name, std::uint64_t offset, std::uint64_t bytes) {
  if (lies_in_.empty() || bytes == 0) return;
  for (auto block = offset / block_bytes; block <= (offset + bytes - 1) / block_bytes; ++block) {
    const block_key key{name, block};
    if (unsynced_.contains(key)) continue;
    if (const auto gone = lost_.extract(key)) {
      unsynced_.emplace(key, gone.mapped());
      continue;
    }
    std::vector<std::byte> old(block_bytes);
    std::ifstream file(lies_in_ / name, std::ios::binary);
    file.seekg(static_cast<std::streamoff>(block * block_bytes));
    file.read(reinterpret_cast<char*>(old.data()), static_cast<std::streamsize>(old.size()));
    unsynced_.emplace(key, std::move(old));
  }
}

void faults::synced(const std::string& name, bool failed) {
  for (auto at = unsynced_.begin(); at != unsynced_.end();) {
    if (at->first.first != name) {
      ++at;
      continue;
    }
    if (failed) lost_.insert(*at);
    at = unsynced_.erase(at);
  }
}

void faults::overlay(const std::string& name, const storage::io_request& read) const {
  std::uint64_t at = read.offset;
  auto left = static_cast<std::uint64_t>(read.result);
  for (std::uint8_t i = 0; i < read.piece_count; ++i) {
    auto* to = static_cast<std::byte*>(read.pieces[i].iov_base);
    std::uint64_t bytes = std::min<std::uint64_t>(left, read.pieces[i].iov_len);
    left -= bytes;
    while (bytes != 0) {
      const std::uint64_t skipped = at % block_bytes;
      const std::uint64_t some = std::min(bytes, block_bytes - skipped);
      const auto gone = lost_.find({name, at / block_bytes});
      if (gone != lost_.end()) std::memcpy(to, gone->second.data() + skipped, some);
      to += some;
      at += some;
      bytes -= some;
    }
  }
}

void faults::renamed(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  for (blocks* const each : {&unsynced_, &lost_}) {
    blocks moved;
    for (auto at = each->begin(); at != each->end();) {
      if (at->first.first != from) {
        ++at;
        continue;
      }
      moved.emplace(block_key{to, at->first.second}, at->second);
      at = each->erase(at);
    }
    each->merge(moved);
  }
}

}  // namespace nori::test
