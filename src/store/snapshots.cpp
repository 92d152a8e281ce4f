#include <nori/store/snapshots.hpp>

#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <mutex>
#include <set>
#include <string_view>

#include <nori/error.hpp>
#include <nori/store/handler_metrics.hpp>
#include <nori/store/turns.hpp>

#include "format/frame.hpp"
#include "storage/storage.hpp"
#include "storage/storage_source.hpp"
#include "store/limits.hpp"
#include "store/snapshot_files.hpp"
#include "store/snapshot_format.hpp"
#include "wal/blocks.hpp"
#include "wal/identity_file.hpp"

namespace nori {

namespace store {

namespace {

using boost::system::system_error;
using reason = ignored_snapshot::reason;

std::string_view name_of(reason why) noexcept {
  switch (why) {
    case reason::damaged:
      return "damaged";
    case reason::unsupported:
      return "unsupported";
    case reason::other_stream:
      return "other_stream";
    case reason::other_schema:
      return "other_schema";
    case reason::too_new:
      return "too_new";
    case reason::too_large:
      return "too_large";
    case reason::unreadable:
      return "unreadable";
  }
  return "unknown";
}

}  // namespace

// The lowest number that no other save uses, so that what a crash left is written over.
class snapshot_files::scratch_number {
 public:
  explicit scratch_number(snapshot_files& of) : of_(of) {
    const std::lock_guard lock(of_.mutex_);
    while (of_.saving_.contains(number_)) ++number_;
    of_.saving_.insert(number_);
  }
  ~scratch_number() {
    const std::lock_guard lock(of_.mutex_);
    of_.saving_.erase(number_);
  }
  scratch_number(const scratch_number&) = delete;
  scratch_number& operator=(const scratch_number&) = delete;

  [[nodiscard]] std::string file_name() const { return "saving-" + std::to_string(number_); }

 private:
  snapshot_files& of_;
  std::size_t number_ = 0;
};

snapshot_files::snapshot_files(snapshot_config options, std::shared_ptr<storage::storage> files)
    : config_(std::move(options)), files_(std::move(files)) {}

// The slot to be replaced by `what`.
asio::awaitable<std::size_t> snapshot_files::choose_slot(const snapshot& what) {
  std::optional<std::size_t> free;
  std::optional<std::size_t> oldest;
  std::uint64_t oldest_revision = 0;
  std::vector<std::byte> beginning(snapshot_header_bytes + what.stream.size());
  for (std::size_t slot = 0; slot < config_.keep; ++slot) {
    const std::string name = snapshot_file_name(what.stream, slot);
    std::size_t bytes = 0;
    try {
      const storage::file_ptr file = co_await files_->open(name, storage::open_mode::read);
      bytes = co_await storage::read_at(*files_, file, 0, beginning.data(), beginning.size(), name);
    } catch (const system_error&) {  // NOLINT: there is none, or it is of no use
      bytes = 0;
    }
    const auto outline = outline_of({beginning.data(), bytes}, what.stream);
    if (!outline) {
      if (!free) free = slot;
      continue;
    }
    if (outline->revision == what.revision && outline->schema_version == what.schema_version) {
      co_return slot;
    }
    if (!oldest || outline->revision < oldest_revision) {
      oldest = slot;
      oldest_revision = outline->revision;
    }
  }
  co_return free ? *free : *oldest;
}

asio::awaitable<void> snapshot_files::save(snapshot what) {
  check_stream_name(what.stream);
  const std::uint64_t bytes = snapshot_bytes(what);
  if (bytes > config_.bytes_max) {
    throw_error(errc::invalid_event, "a snapshot of " + std::to_string(bytes) +
                                         " bytes is larger than bytes_max, " +
                                         std::to_string(config_.bytes_max));
  }
  what.recorded_at = event_time(storage::wall_clock(files_->simulated_clock()));

  const turns::turn mine = co_await turns_.take(what.stream);
  const std::string name = snapshot_file_name(what.stream, co_await choose_slot(what));
  const scratch_number number(*this);
  const std::string tmp = number.file_name();
  // What a crash left may be anything, and is not to be written into.
  co_await remove_if_there(*files_, tmp);
  bool failed = false;
  boost::system::error_code why;
  std::string text;
  try {
    const std::size_t whole = (static_cast<std::size_t>(bytes) + format::block_bytes - 1) /
                              format::block_bytes * format::block_bytes;
    const unique_blocks image = allocate_blocks(whole);
    store_snapshot(image.get(), what);
    std::memset(image.get() + bytes, 0, whole - static_cast<std::size_t>(bytes));
    const storage::file_ptr file = co_await files_->open(tmp, storage::open_mode::create);
    co_await storage::write_at(*files_, file, 0, image.get(), whole, false, tmp);
    co_await files_->truncate(file, bytes);
    co_await storage::sync(*files_, file, tmp);
    co_await files_->rename(tmp, name);
  } catch (const system_error& error) {
    failed = true;
    why = error.code();
    text = error.what();
  }
  if (failed) {
    // A full disk needs the space back.
    try {
      co_await remove_if_there(*files_, tmp);
    } catch (const system_error&) {  // NOLINT: the first error is the one that matters
    }
    count(metrics::snapshot_save_failures, {});
    throw system_error(why, text);
  }
  co_await files_->sync_directory();
  count(metrics::snapshots_saved, {});
}

// The file of a slot, if it is there and can be read.
asio::awaitable<std::optional<std::vector<std::byte>>> snapshot_files::read(
    std::string name, std::vector<ignored_snapshot>& ignored) {
  std::optional<std::vector<std::byte>> content;
  try {
    const storage::file_ptr file = co_await files_->open(name, storage::open_mode::read);
    const std::uint64_t size = co_await files_->size(file);
    if (size > config_.bytes_max) {
      ignored.emplace_back(reason::too_large, name,
                           "it has " + std::to_string(size) + " bytes, more than bytes_max");
    } else {
      content.emplace(static_cast<std::size_t>(size));
      const std::size_t bytes =
          co_await storage::read_at(*files_, file, 0, content->data(), content->size(), name);
      content->resize(bytes);
    }
  } catch (const system_error& error) {
    content.reset();
    if (!storage::is_missing(error)) ignored.emplace_back(reason::unreadable, name, error.what());
  }
  co_return content;
}

asio::awaitable<found_snapshot> snapshot_files::load(std::string stream,
                                                     std::uint32_t schema_version,
                                                     std::uint64_t at_most_revision) {
  found_snapshot result;
  for (std::size_t slot = 0; slot < config_.keep; ++slot) {
    const std::string name = snapshot_file_name(stream, slot);
    const std::optional<std::vector<std::byte>> content = co_await read(name, result.ignored);
    if (!content) continue;
    ignored_snapshot why_not;
    why_not.file = name;
    std::optional<snapshot> made = load_snapshot(*content, stream, why_not);
    if (made && made->schema_version != schema_version) {
      why_not.why = reason::other_schema;
      why_not.text = "its schema version is " + std::to_string(made->schema_version);
      made.reset();
    } else if (made && made->revision > at_most_revision) {
      why_not.why = reason::too_new;
      why_not.text = "its revision is " + std::to_string(made->revision);
      made.reset();
    }
    if (!made) {
      result.ignored.push_back(std::move(why_not));
    } else if (!result.latest || made->revision > result.latest->revision) {
      result.latest = std::move(made);
    }
  }
  for (const ignored_snapshot& each : result.ignored) {
    count(metrics::snapshots_ignored, name_of(each.why));
  }
  count(result.latest ? metrics::snapshots_loaded : metrics::snapshots_missed, {});
  co_return result;
}

asio::awaitable<void> snapshot_files::remove(std::string stream) {
  const turns::turn mine = co_await turns_.take(stream);
  for (std::size_t slot = 0; slot < snapshot_slots_max; ++slot) {
    co_await remove_if_there(*files_, snapshot_file_name(stream, slot));
  }
  co_await files_->sync_directory();
}

void snapshot_files::count(const metric& what, std::string_view label) const noexcept {
  if (config_.meter) config_.meter->add(what, 1, label);
}

asio::awaitable<std::shared_ptr<snapshot_files>> snapshot_files::open(
    snapshot_config options, storage_factory make_storage) {
  if (options.keep < 1 || options.keep > snapshot_slots_max) {
    throw_error(errc::invalid_config, "keep is " + std::to_string(options.keep) + ": choose 1 to " +
                                          std::to_string(snapshot_slots_max));
  }
  if (options.bytes_max < 4096 || options.bytes_max > std::size_t{1} << 30) {
    throw_error(errc::invalid_config, "bytes_max of snapshots is " +
                                          std::to_string(options.bytes_max) +
                                          ": choose 4 KiB to 1 GiB");
  }
  storage::completion_executor executor =
      storage::make_completion_executor(co_await asio::this_coro::executor);
  std::shared_ptr<storage::storage> files = co_await make_storage(executor);
  if (!co_await files->lock("lock")) {
    throw_error(errc::locked, "another snapshot_store has " + options.dir.string() + " open");
  }
  co_return std::make_shared<snapshot_files>(std::move(options), std::move(files));
}

}  // namespace store

snapshot_store::snapshot_store() noexcept = default;
snapshot_store::snapshot_store(snapshot_store&&) noexcept = default;
snapshot_store& snapshot_store::operator=(snapshot_store&&) noexcept = default;
snapshot_store::~snapshot_store() = default;

snapshot_store::snapshot_store(std::shared_ptr<store::snapshot_files> files) noexcept
    : files_(std::move(files)) {}

asio::awaitable<snapshot_store> snapshot_store::open(snapshot_config options) {
  const storage::open_options place{options.dir, backend::threads, false};
  const store::snapshot_files::storage_factory on_disk =
      [place, source = options.storage](storage::completion_executor executor) {
        return storage::open_from(source, place, std::move(executor));
      };
  std::shared_ptr<store::snapshot_files> files =
      co_await store::snapshot_files::open(std::move(options), on_disk);
  co_return snapshot_store(std::move(files));
}

asio::awaitable<void> snapshot_store::save(snapshot what) {
  const std::shared_ptr<store::snapshot_files> files = files_;
  co_await files->save(std::move(what));
}

asio::awaitable<found_snapshot> snapshot_store::load(std::string stream,
                                                     std::uint32_t schema_version,
                                                     std::uint64_t at_most_revision) {
  const std::shared_ptr<store::snapshot_files> files = files_;
  co_return co_await files->load(std::move(stream), schema_version, at_most_revision);
}

asio::awaitable<void> snapshot_store::remove(std::string stream) {
  const std::shared_ptr<store::snapshot_files> files = files_;
  co_await files->remove(std::move(stream));
}

}  // namespace nori
