#include "workload/context.hpp"

#include <random>
#include <string>
#include <utility>

#include "common/measure.hpp"
#include "common/scratch.hpp"

namespace nori::bench {

namespace {

// co_spawn wants results that can be default-constructed, which a log can't.
asio::awaitable<void> open_into(std::optional<wal>& to, nori::config options) {
  wal::opened opened = co_await wal::open(std::move(options));
  to.emplace(std::move(opened.log));
}

asio::awaitable<position> append_one(wal& log, std::string_view value) {
  const record_view what{.value = value};
  co_return co_await log.append(what);
}

}  // namespace

context::context(std::size_t threads, const std::function<void(std::size_t)>& begin)
    : io_(static_cast<int>(threads)), work_(io_.get_executor()) {
  for (std::size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this, i, begin] {
      name_thread("nori");
      begin(i);
      io_.run();
    });
  }
}

context::~context() {
  work_.reset();
  io_.stop();
  for (std::thread& each : threads_) each.join();
}

nori::config config_of(const log_options& options, fsync_policy policy,
                       const std::filesystem::path& dir) {
  nori::config made(dir);
  made.fsync = policy;
  made.backend = options.backend;
  made.segment_bytes_max = options.segment_bytes;
  made.buffer_bytes_max = static_cast<std::size_t>(options.buffer_bytes);
  return made;
}

open_log::open_log(context& on, const nori::config& options) : on_(on) {
  on_.run(open_into(log_, options));
}

open_log::~open_log() {
  try {
    close();
  } catch (...) {
    // It is not the measurement that failed; the log is given up as if killed.
  }
}

void open_log::close() {
  if (!log_) return;
  wal closing = std::move(*log_);
  log_.reset();
  on_.run(closing.close());
}

std::string make_value(std::uint64_t size) {
  std::mt19937_64 random(1);
  std::string value(size, '\0');
  for (char& each : value) each = static_cast<char>(random());
  return value;
}

framing find_framing(const log_options& options, const std::filesystem::path& scratch) {
  const scratch_directory mine(scratch);
  context on(1, [](std::size_t) {});
  open_log log(on, config_of(options, fsync_policy::os(), mine.path() / "log"));
  const std::string value = make_value(options.size);
  const position first = on.run(append_one(*log, value));
  const position second = on.run(append_one(*log, value));
  return {static_cast<std::size_t>(second.offset - first.offset), log->backend()};
}

}  // namespace nori::bench
