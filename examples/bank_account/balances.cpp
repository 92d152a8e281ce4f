#include "balances.hpp"

#include <utility>

#include <nori/store/json_codec.hpp>

#include "bank.hpp"

namespace bank {

nori::projection<balances> project_balances(nori::event_store& store) {
  nori::view_definition<balances> how([](balances& all, const nori::recorded_event& what) {
    account& its = all[std::string(name_of(what.stream))];
    its = account_rules::evolve(std::move(its), event_of(what));
  });
  // Saved as JSON, with the codec that the events have.
  how.to_bytes = [](const balances& all) { return nori::json_codec().encode(all); };
  how.from_bytes = [](std::string_view bytes) {
    return nori::json_codec().decode<balances>(bytes).value();
  };
  return {store, nori::projection_options("balances"), std::move(how)};
}

}  // namespace bank
