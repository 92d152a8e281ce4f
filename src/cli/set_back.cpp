#include "set_back.hpp"

#include <boost/json/object.hpp>

#include <memory>
#include <string_view>

#include <nori/error.hpp>
#include <nori/meter.hpp>
#include <nori/store/event_store.hpp>
#include <nori/store/metrics.hpp>

#include "files.hpp"

namespace nori::cli {

namespace {

constexpr std::string_view checkpoint_file = "checkpoint-";
constexpr std::string_view view_file = "projection-";

/// Hears why a checkpoint or view was not believed.
class reasons final : public meter {
 public:
  void add(const metric& counter, std::uint64_t /*delta*/,
           std::string_view label) noexcept override {
    if (&counter == &metrics::store_checkpoints_ignored) beyond_ |= label == "newer_than_store";
  }
  void set(const metric& /*gauge*/, double /*value*/,
           std::string_view /*label*/) noexcept override {}
  void observe(const metric& /*histogram*/, double /*value*/,
               std::string_view /*label*/) noexcept override {}

  /// Whether one was beyond the end since this was last asked.
  [[nodiscard]] bool beyond() noexcept { return std::exchange(beyond_, false); }

 private:
  bool beyond_ = false;
};

asio::awaitable<std::vector<set_back_reader>> readers_beyond_end(std::string dir) {
  const auto heard = std::make_shared<reasons>();
  store_config how(dir);
  how.log.access = access::read_only;
  how.log.meter = heard;
  const event_store::opened opened = co_await event_store::open(how);
  std::vector<set_back_reader> found;
  for (const std::string& file : kept_beside(dir)) {
    set_back_reader one;
    one.is_view = file.starts_with(view_file);
    if (!one.is_view && !file.starts_with(checkpoint_file)) continue;
    one.name = file.substr(one.is_view ? view_file.size() : checkpoint_file.size());
    try {
      if (one.is_view) {
        static_cast<void>(co_await opened.store.load_derived(one.name));
      } else {
        static_cast<void>(co_await opened.store.load_checkpoint(one.name));
      }
    } catch (const boost::system::system_error& error) {
      // A file of somebody else's: nobody can have saved anything under such a name.
      if (error.code() != errc::invalid_event) throw;
    }
    if (heard->beyond()) found.push_back(std::move(one));
  }
  co_return found;
}

}  // namespace

asio::awaitable<std::vector<set_back_reader>> set_back_readers(std::string dir) {
  std::vector<set_back_reader> found;
  if (kept_beside(dir).empty()) co_return found;
  found = co_await readers_beyond_end(dir);
  if (found.empty()) co_return found;
  store_config how(dir);
  how.log.fsync = fsync_policy::always();
  event_store::opened opened = co_await event_store::open(how);
  const std::uint64_t end = opened.store.next_global_position();
  for (set_back_reader& each : found) {
    if (each.is_view) {
      co_await opened.store.remove_derived(each.name);
    } else if (end == 0) {
      co_await opened.store.remove_checkpoint(each.name);
    } else {
      each.through = end - 1;
      co_await opened.store.save_checkpoint(each.name, end - 1);
    }
  }
  co_await opened.store.close();
  co_return found;
}

void print_set_back(const std::vector<set_back_reader>& readers, output& to) {
  for (const set_back_reader& each : readers) {
    std::string text = to.tinted(tint::warning, "set back") + "  ";
    if (each.is_view) {
      text += "projection " + printable(each.name) +
              ": it had events that are gone; it is made again from the first event";
    } else {
      text += "checkpoint " + printable(each.name) +
              (each.through ? ": from events that are gone to " + std::to_string(*each.through) +
                                  ", the last that is kept"
                            : ": removed, no event is kept");
    }
    to.line(text);
  }
}

boost::json::array json_of(const std::vector<set_back_reader>& readers) {
  boost::json::array made;
  for (const set_back_reader& each : readers) {
    boost::json::object one;
    one["name"] = printable(each.name);
    one["what"] = each.is_view ? "projection" : "checkpoint";
    if (each.through) {
      one["through"] = *each.through;
    } else {
      one["through"] = nullptr;
    }
    made.push_back(std::move(one));
  }
  return made;
}

}  // namespace nori::cli
