#include "folds.hpp"

#include <boost/json/object.hpp>

#include <algorithm>

#include "output.hpp"

namespace nori::cli {

namespace {

using boost::json::object;
using boost::json::value;

object& as_object(value& state) {
  if (!state.is_object()) state = object();
  return state.get_object();
}

// RFC 7396.
void merge_patch(value& into, const value& patch) {
  if (!patch.is_object()) {
    into = patch;
    return;
  }
  object& members = as_object(into);
  for (const auto& member : patch.get_object()) {
    if (member.value().is_null()) {
      members.erase(member.key());
    } else {
      merge_patch(members[member.key()], member.value());
    }
  }
}

void merge(value& state, const recorded_event&, const value& data) {
  if (data.is_object()) merge_patch(state, data);
}

void latest(value& state, const recorded_event& event, const value& data) {
  as_object(state)[printable(event.type)] = data;
}

void count(value& state, const recorded_event& event, const value&) {
  value& counted = as_object(state)[printable(event.type)];
  counted = (counted.is_int64() ? counted.get_int64() : 0) + 1;
}

void sum(value& state, const recorded_event&, const value& data) {
  if (!data.is_object()) return;
  object& sums = as_object(state);
  for (const auto& member : data.get_object()) {
    if (!member.value().is_number()) continue;
    value& total = sums[member.key()];
    std::int64_t whole = 0;
    if ((total.is_null() || total.is_int64()) && member.value().is_int64() &&
        !__builtin_add_overflow(total.is_null() ? 0 : total.get_int64(), member.value().get_int64(),
                                &whole)) {
      total = whole;
    } else {
      total =
          (total.is_null() ? 0.0 : total.to_number<double>()) + member.value().to_number<double>();
    }
  }
}

}  // namespace

const std::vector<fold>& folds() {
  static const std::vector<fold> all{
      {"merge", "each event's data is merged into the state, null removes a member (RFC 7396)",
       merge},
      {"latest", "the newest data of each type", latest},
      {"count", "how many events of each type", count},
      {"sum", "the numbers in the data, added up by member", sum},
  };
  return all;
}

const fold* find_fold(std::string_view name) {
  const auto found = std::find_if(folds().begin(), folds().end(),
                                  [&](const fold& each) { return each.name == name; });
  return found == folds().end() ? nullptr : &*found;
}

}  // namespace nori::cli
