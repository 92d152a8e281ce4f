#include "store/derived_files.hpp"

#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <limits>
#include <map>
#include <mutex>
#include <new>
#include <utility>

#include <nori/error.hpp>

#include "format/crc32c.hpp"
#include "store/waiting_room.hpp"

namespace nori::store {

namespace {

constexpr std::array<char, 8> derived_magic{'n', 'o', 'r', 'i', 'd', 'e', 'r', '\x01'};
constexpr std::size_t crc_offset = 60;

// Aligned for direct I/O.
class blocks {
 public:
  explicit blocks(std::size_t bytes)
      : data_(static_cast<std::byte*>(std::aligned_alloc(format::block_bytes, bytes))),
        bytes_(bytes) {
    if (!data_) throw std::bad_alloc();
    std::memset(data_.get(), 0, bytes);
  }
  [[nodiscard]] std::byte* data() const noexcept { return data_.get(); }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_; }

 private:
  struct freed {
    void operator()(std::byte* at) const noexcept { std::free(at); }
  };
  std::unique_ptr<std::byte, freed> data_;
  std::size_t bytes_;
};

template <typename Integer>
void put(std::byte* at, Integer value) noexcept {
  std::memcpy(at, &value, sizeof(value));
}
template <typename Integer>
Integer get(const std::byte* at) noexcept {
  Integer value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

std::uint32_t crc_of(std::span<const std::byte> file) noexcept {
  const std::uint32_t before = format::crc32c(0, file.data(), crc_offset);
  return format::crc32c(before, file.data() + derived_header_bytes,
                        file.size() - derived_header_bytes);
}

// Empty: whatever an interrupted save left is gone.
asio::awaitable<storage::file_ptr> open_empty(storage::storage& files, std::string name) {
  try {
    const storage::file_ptr left = co_await files.open(name, storage::open_mode::write);
    co_await files.truncate(left, 0);
    co_return left;
  } catch (const boost::system::system_error& error) {
    if (!storage::is_missing(error)) throw;
  }
  co_return co_await files.open(name, storage::open_mode::create);
}

}  // namespace

std::size_t derived_file_bytes(std::size_t name_bytes, std::size_t content_bytes) noexcept {
  constexpr std::size_t block = format::block_bytes;
  return (derived_header_bytes + name_bytes + content_bytes + block - 1) / block * block;
}

void store_derived(std::byte* at, const format::log_id& log, std::string_view name,
                   const derived_header& header, std::string_view content) noexcept {
  std::memcpy(at, derived_magic.data(), derived_magic.size());
  put(at + 8, derived_format_version);
  put(at + 12, static_cast<std::uint32_t>(name.size()));
  std::memcpy(at + 16, log.data(), log.size());
  put(at + 32, header.through);
  put(at + 40, header.saved_ns);
  put(at + 48, header.version);
  put(at + 52, static_cast<std::uint64_t>(content.size()));
  std::memcpy(at + derived_header_bytes, name.data(), name.size());
  if (!content.empty()) {
    std::memcpy(at + derived_header_bytes + name.size(), content.data(), content.size());
  }
  put(at + crc_offset, crc_of({at, derived_file_bytes(name.size(), content.size())}));
}

derived_check check_derived(std::span<const std::byte> bytes, const format::log_id& log,
                            std::string_view name) noexcept {
  derived_check result;
  result.verdict = derived_verdict::damaged;
  if (bytes.size() < format::block_bytes || bytes.size() % format::block_bytes != 0 ||
      std::memcmp(bytes.data(), derived_magic.data(), derived_magic.size()) != 0 ||
      get<std::uint32_t>(bytes.data() + crc_offset) != crc_of(bytes)) {
    return result;
  }
  if (get<std::uint32_t>(bytes.data() + 8) != derived_format_version) {
    result.verdict = derived_verdict::foreign;
    return result;
  }
  const std::uint64_t name_bytes = get<std::uint32_t>(bytes.data() + 12);
  const auto content_bytes = get<std::uint64_t>(bytes.data() + 52);
  if (name_bytes > derived_name_bytes_max || content_bytes > derived_bytes_max ||
      derived_file_bytes(name_bytes, content_bytes) != bytes.size()) {
    return result;
  }
  const auto* const text = reinterpret_cast<const char*>(bytes.data() + derived_header_bytes);
  if (std::memcmp(bytes.data() + 16, log.data(), log.size()) != 0 ||
      std::string_view(text, name_bytes) != name) {
    result.verdict = derived_verdict::foreign;
    return result;
  }
  result.verdict = derived_verdict::valid;
  result.header.through = get<std::uint64_t>(bytes.data() + 32);
  result.header.saved_ns = get<std::int64_t>(bytes.data() + 40);
  result.header.version = get<std::uint32_t>(bytes.data() + 48);
  result.content = {text + name_bytes, content_bytes};
  return result;
}

struct derived_files::state {
  state(storage::storage& on, format::log_id of) : files(on), log(of) {}

  // Who writes a name, and who is next.
  struct queue {
    std::deque<std::uint64_t> tickets;
    waiting_room room;
  };
  class turn;

  storage::storage& files;
  const format::log_id log;
  std::mutex mutex;
  std::uint64_t next_ticket = 0;
  std::map<std::string, queue, std::less<>> queues;
};

// A place in the queue for one name; however the coroutine ends, the next one's turn comes.
class derived_files::state::turn {
 public:
  turn(std::shared_ptr<state> in, std::string name) : in_(std::move(in)), name_(std::move(name)) {
    const std::lock_guard lock(in_->mutex);
    ticket_ = in_->next_ticket++;
    in_->queues[name_].tickets.push_back(ticket_);
  }
  turn(const turn&) = delete;
  turn& operator=(const turn&) = delete;
  ~turn() {
    waiting_room::called next;
    const std::lock_guard lock(in_->mutex);
    const auto at = in_->queues.find(name_);
    std::erase(at->second.tickets, ticket_);
    if (at->second.tickets.empty()) {
      in_->queues.erase(at);
    } else {
      next = at->second.room.call_all();
    }
  }

  [[nodiscard]] asio::awaitable<void> comes() {
    for (;;) {
      std::unique_lock lock(in_->mutex);
      queue& in = in_->queues.find(name_)->second;
      if (in.tickets.front() == ticket_) co_return;
      co_await in.room.wait(std::move(lock));
    }
  }

 private:
  const std::shared_ptr<state> in_;
  const std::string name_;
  std::uint64_t ticket_ = 0;
};

derived_files::derived_files(storage::storage& on, format::log_id of)
    : state_(std::make_shared<state>(on, of)) {}

derived_files::~derived_files() = default;

asio::awaitable<void> derived_files::save(std::string name, derived what) {
  const std::shared_ptr<state> in = state_;
  if (name.empty() || name.size() > derived_name_bytes_max ||
      what.bytes.size() > derived_bytes_max) {
    throw_error(errc::invalid_event, "what is saved under a name is too large: at most " +
                                         std::to_string(derived_bytes_max) + " bytes");
  }
  state::turn turn(in, name);
  co_await turn.comes();
  const std::string tmp = name + ".tmp";
  {
    derived_header header;
    header.through = what.through;
    header.saved_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
                          storage::wall_clock(in->files.simulated_clock()).time_since_epoch())
                          .count();
    header.version = what.version;
    const blocks image(derived_file_bytes(name.size(), what.bytes.size()));
    store_derived(image.data(), in->log, name, header, what.bytes);
    const storage::file_ptr file = co_await open_empty(in->files, tmp);
    co_await storage::write_at(in->files, file, 0, image.data(), image.size(), false, tmp);
    co_await storage::sync(in->files, file, tmp);
  }
  co_await in->files.rename(tmp, name);
  co_await in->files.sync_directory();
}

asio::awaitable<loaded_derived> derived_files::load(std::string name) const {
  const std::shared_ptr<state> in = state_;
  storage::file_ptr file;
  try {
    file = co_await in->files.open(name, storage::open_mode::read);
  } catch (const boost::system::system_error& error) {
    if (!storage::is_missing(error)) throw;
  }
  if (!file) co_return loaded_derived(derived_verdict::absent);
  const std::uint64_t bytes = co_await in->files.size(file);
  if (bytes < format::block_bytes || bytes % format::block_bytes != 0 ||
      bytes > derived_file_bytes(derived_name_bytes_max, derived_bytes_max)) {
    co_return loaded_derived(derived_verdict::damaged);
  }
  const blocks image(static_cast<std::size_t>(bytes));
  const std::size_t got =
      co_await storage::read_at(in->files, file, 0, image.data(), image.size(), name);
  const derived_check check = check_derived({image.data(), got}, in->log, name);
  loaded_derived result(check.verdict);
  if (check.verdict == derived_verdict::valid) {
    result.what = derived(check.header.through, check.header.version, std::string(check.content));
    result.saved_at = event_time(std::chrono::nanoseconds(check.header.saved_ns));
  }
  co_return result;
}

asio::awaitable<std::optional<std::uint64_t>> derived_files::peek(std::string name) const {
  const std::shared_ptr<state> in = state_;
  const storage::file_ptr file = co_await in->files.open(name, storage::open_mode::read);
  const blocks image(format::block_bytes);
  const std::size_t got =
      co_await storage::read_at(in->files, file, 0, image.data(), image.size(), name);
  const bool likely = got == image.size() &&
                      std::memcmp(image.data(), derived_magic.data(), derived_magic.size()) == 0 &&
                      std::memcmp(image.data() + 16, in->log.data(), in->log.size()) == 0;
  if (!likely) co_return std::nullopt;
  co_return get<std::uint64_t>(image.data() + 32);
}

asio::awaitable<void> derived_files::remove(std::string name) {
  const std::shared_ptr<state> in = state_;
  state::turn turn(in, name);
  co_await turn.comes();
  try {
    co_await in->files.remove(name);
  } catch (const boost::system::system_error& error) {
    if (!storage::is_missing(error)) throw;
    co_return;
  }
  co_await in->files.sync_directory();
}

}  // namespace nori::store
