#include "source.hpp"

#include "output.hpp"
#include "status.hpp"

namespace nori::cli {

namespace {

config reading(const std::string& dir) {
  config how(dir);
  how.access = access::read_only;
  return how;
}

}  // namespace

asio::awaitable<source> open_for_reading(std::string dir) {
  source made;
  const config log_only = reading(dir);
  wal::opened opened = co_await wal::open(log_only);
  made.log = std::move(opened.log);
  made.recovered = std::move(opened.recovered);
  store_config how(dir);
  how.log = reading(dir);
  try {
    event_store::opened store = co_await event_store::open(how);
    made.store.emplace(std::move(store.store));
    made.store_recovered = std::move(store.recovered);
  } catch (const boost::system::system_error& error) {
    if (error.code() != errc::not_an_event) throw;
  }
  co_return made;
}

asio::awaitable<source> open_events(std::string dir) {
  source made = co_await open_for_reading(dir);
  if (!made.store) {
    throw stop(status_failed, dir + " is a plain log: it has records, and no events or streams",
               "use: nori cat " + dir);
  }
  co_return made;
}

asio::awaitable<position> position_of(source* in, place where) {
  if (!where.global_position) co_return where.at;
  if (!in->store) {
    throw stop(status_usage, "a plain log has no global positions",
               "name a place in it as SEGMENT:OFFSET, as cat shows it");
  }
  const std::uint64_t wanted = *where.global_position;
  if (wanted >= in->store->next_global_position()) co_return in->log.current_position();
  if (wanted < in->store->first_global_position()) {
    throw stop(status_not_there, "event " + std::to_string(wanted) +
                                     " was deleted: the oldest is " +
                                     std::to_string(in->store->first_global_position()));
  }
  read_events how;
  how.from = wanted;
  how.limit = 1;
  event_reader events = in->store->read_all(how);
  const std::optional<recorded_event> found = co_await events.next();
  if (!found) co_return in->log.current_position();
  co_return found->at;
}

asio::awaitable<position> position_behind(source* in, event_time when) {
  if (!in->store) {
    throw stop(status_usage, "records of a plain log have no time",
               "name a place in it as SEGMENT:OFFSET, as cat shows it");
  }
  const std::optional<std::uint64_t> last = co_await in->store->position_at(when);
  if (!last) {
    throw stop(status_not_there, "no event was recorded at or before " + time_text(when));
  }
  place behind;
  behind.global_position = *last + 1;
  co_return co_await position_of(in, behind);
}

}  // namespace nori::cli
