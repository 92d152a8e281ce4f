#include "service.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "assets.hpp"
#include "auth.hpp"
#include "log.hpp"

namespace account_server {

namespace {

std::uint64_t lag_of(const readers::reader& who, std::uint64_t next_position) {
  return next_position - std::min(next_position, who.taken.load());
}

}  // namespace

std::shared_ptr<readers::reader> readers::enter(std::size_t most) {
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [](const entry& each) { return each.who.expired(); });
  if (entries_.size() >= most) return nullptr;
  auto made = std::make_shared<reader>();
  entries_.push_back({next_id_++, made});
  return made;
}

json::array readers::describe(std::uint64_t next_position) const {
  const std::lock_guard lock(mutex_);
  json::array all;
  for (const entry& each : entries_) {
    const std::shared_ptr<reader> who = each.who.lock();
    if (!who) continue;
    const std::uint64_t taken = who->taken;
    const std::chrono::duration<double> age = std::chrono::steady_clock::now() - who->since;
    all.push_back({{"id", each.id},
                   {"position", taken > 0 ? json::value(taken - 1) : json::value(nullptr)},
                   {"lag", lag_of(*who, next_position)},
                   {"seconds", age.count()}});
  }
  return all;
}

std::size_t readers::count() const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(std::count_if(
      entries_.begin(), entries_.end(), [](const entry& each) { return !each.who.expired(); }));
}

std::uint64_t readers::largest_lag(std::uint64_t next_position) const {
  const std::lock_guard lock(mutex_);
  std::uint64_t largest = 0;
  for (const entry& each : entries_) {
    const std::shared_ptr<reader> who = each.who.lock();
    if (who) largest = std::max(largest, lag_of(*who, next_position));
  }
  return largest;
}

std::string service::projection_failure() const {
  const std::lock_guard lock(mutex_);
  return projection_failure_;
}

void service::set_projection_failure(std::string why) {
  const std::lock_guard lock(mutex_);
  projection_failure_ = std::move(why);
}

asio::awaitable<std::unique_ptr<service>> service::open(options how) {
  auto made = std::make_unique<service>();
  std::error_code failed;
  if (std::filesystem::create_directory(how.dir, failed)) {
    std::filesystem::permissions(how.dir, std::filesystem::perms::owner_all);
  }
  if (failed) throw std::system_error(failed, how.dir.string() + " can't be created");
  made->token = load_token(how.token_file);
  made->page = page_html();
  made->openapi = openapi_json();
  made->meter = std::make_shared<live_meter>();

  nori::store_config options(how.dir / "events");
  // A command is answered when it is durable. Those that come meanwhile share the next sync.
  options.log.fsync = nori::fsync_policy::always();
  options.log.backend = how.backend;
  options.log.meter = made->meter;
  nori::event_store::opened opened = co_await nori::event_store::open(options);
  made->store = std::move(opened.store);
  made->desk.emplace(made->store);
  made->view.emplace(project_balances(made->store));
  made->how = std::move(how);
  log_line("info", "opened",
           {{"events", opened.recovered.events},
            {"torn_tail_bytes", opened.recovered.log.bytes_truncated},
            {"backend", made->store.backend() == nori::backend::uring ? "uring" : "threads"},
            {"token_file", made->how.token_file.string()}});
  co_return made;
}

}  // namespace account_server
