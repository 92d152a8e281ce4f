#include <boost/asio/execution/context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/query.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <nori/error.hpp>

#include "storage/cached_ring.hpp"
#include "storage/directory.hpp"
#include "storage/ending.hpp"
#include "storage/io_backend.hpp"
#include "storage/mapped_ring.hpp"
#include "storage/posix_file.hpp"
#include "storage/storage.hpp"
#include "storage/storage_source.hpp"
#include "storage/threads_backend.hpp"
#include "storage/uring_backend.hpp"
#include "storage/workers.hpp"

namespace nori::storage {

namespace {

// Besides the I/O, at most this many blocking calls at a time.
constexpr std::size_t helper_threads_max = 2;

class posix_storage final : public storage {
 public:
  posix_storage(std::shared_ptr<directory> dir, std::shared_ptr<io_backend> io,
                std::shared_ptr<workers> helper) noexcept
      : dir_(std::move(dir)), io_(std::move(io)), helper_(std::move(helper)) {
    if (io_->which() == nori::backend::uring) cached_.emplace();
  }
  ~posix_storage() override { shutdown(); }

  [[nodiscard]] nori::backend which() const noexcept override { return io_->which(); }

  void start(io_request& first) noexcept override { io_->start(first); }

  [[nodiscard]] std::size_t read_cached(const file_ptr& from, std::uint64_t offset, void* to,
                                        std::size_t bytes) noexcept override {
    const posix_file& file = posix_file::from(*from);
    if (file.direct()) return 0;
    return ::nori::storage::read_cached(file.fd(), offset, to, bytes);
  }
  void read_all_cached(std::span<cached_read> all) noexcept override {
    if (all.size() > 1 && cached_ && cached_->read(all)) return;
    storage::read_all_cached(all);
  }

  // What a call needs it takes along: the storage may go while the call runs.

  asio::awaitable<file_ptr> open(std::string name, open_mode mode) override {
    return on_worker(helper_, [dir = dir_, helper = helper_, name = std::move(name), mode] {
      return std::static_pointer_cast<file>(
          std::make_shared<posix_file>(dir->open(name, mode), name, helper));
    });
  }

  asio::awaitable<std::uint64_t> size(file_ptr of) override {
    return on_worker(helper_, [of = std::move(of)] {
      const posix_file& file = posix_file::from(*of);
      return size_of(file.fd(), file.name());
    });
  }

  asio::awaitable<void> allocate(file_ptr of, std::uint64_t offset, std::uint64_t bytes) override {
    return on_worker(helper_, [dir = dir_, of = std::move(of), offset, bytes] {
      const posix_file& file = posix_file::from(*of);
      dir->check_writable("allocate", file.name());
      ::nori::storage::allocate(file.fd(), offset, bytes, file.name());
    });
  }

  asio::awaitable<void> truncate(file_ptr of, std::uint64_t bytes) override {
    return on_worker(helper_, [dir = dir_, of = std::move(of), bytes] {
      const posix_file& file = posix_file::from(*of);
      dir->check_writable("truncate", file.name());
      ::nori::storage::truncate(file.fd(), bytes, file.name());
    });
  }

  asio::awaitable<void> rename(std::string from, std::string to) override {
    return on_worker(helper_, [dir = dir_, from = std::move(from), to = std::move(to)] {
      dir->rename(from, to);
    });
  }

  asio::awaitable<void> remove(std::string name) override {
    return on_worker(helper_, [dir = dir_, name = std::move(name)] { dir->remove(name); });
  }

  asio::awaitable<void> sync_directory() override {
    return on_worker(helper_, [dir = dir_] { dir->sync(); });
  }

  asio::awaitable<std::vector<directory_entry>> list() override {
    return on_worker(helper_, [dir = dir_] { return dir->list(); });
  }

  asio::awaitable<std::unique_ptr<ring_memory>> map_ring(std::string name,
                                                         std::size_t bytes) override {
    return on_worker(helper_, [dir = dir_, name = std::move(name), bytes] {
      return name.empty() ? map_memory(bytes) : map_file(dir->open_or_create(name), bytes, name);
    });
  }

  asio::awaitable<bool> lock(std::string lock_name) override {
    return on_worker(helper_, [dir = dir_, io = io_, name = std::move(lock_name)] {
      if (!dir->lock(name)) return false;
      if (const int error = io->hold(dir->lock_fd()); error != 0) {
        dir->unlock();
        throw_errno(error, "hold", name);
      }
      return true;
    });
  }

  asio::awaitable<void> unlock() override {
    return on_worker(helper_, [dir = dir_] { dir->unlock(); });
  }

  void shutdown() noexcept override {
    io_->shutdown();
    helper_->shutdown();
    // Last: whoever takes the directory next finds nothing of ours in flight.
    dir_->unlock();
  }

 private:
  std::shared_ptr<directory> dir_;
  std::shared_ptr<io_backend> io_;
  std::optional<cached_ring> cached_;
  std::shared_ptr<workers> helper_;
};

std::shared_ptr<io_backend> make_backend(nori::backend which, const completion_executor& executor) {
  if (which != nori::backend::threads) {
    try {
      return std::make_shared<uring_backend>(executor);
    } catch (const boost::system::system_error& error) {
      if (which == nori::backend::uring || error.code() != errc::backend_unavailable) throw;
    }
  }
  return std::make_shared<threads_backend>(executor);
}

}  // namespace

std::shared_ptr<workers> workers_of(asio::execution_context& context, std::size_t threads_max) {
  auto made = std::make_shared<workers>(threads_max);
  asio::use_service<ending_with_context>(context).add(made);
  return made;
}

asio::awaitable<std::shared_ptr<storage>> open_storage(open_options options,
                                                       completion_executor executor) {
  auto helper = std::make_shared<workers>(helper_threads_max);
  // Services end in the reverse order of their first use: the reactor has to come before ours.
  {
    const asio::posix::stream_descriptor uses_reactor(executor.inner());
  }
  auto& ending =
      asio::use_service<ending_with_context>(asio::query(executor, asio::execution::context));
  ending.add(helper);
  // Beforehand: where there was no memory for it on the worker, the storage would end there, and
  // with it the worker that has still to say so.
  return on_worker(
      helper,
      [place = ending_with_context::place(ending), helper, options = std::move(options),
       executor = std::move(executor)]() mutable -> std::shared_ptr<storage> {
        auto dir = std::make_shared<directory>(options.dir, options.read_only);
        auto opened = std::make_shared<posix_storage>(
            std::move(dir), make_backend(options.backend, executor), helper);
        place.take(opened);
        return opened;
      });
}

asio::awaitable<std::shared_ptr<storage>> open_from(std::shared_ptr<storage_source> source,
                                                    open_options options,
                                                    completion_executor executor) {
  // Not a coroutine: what it calls takes everything along.
  if (source) return source->open(std::move(options), std::move(executor));
  return open_storage(std::move(options), std::move(executor));
}

}  // namespace nori::storage
