// How far somebody has read, and what was made of it: kept beside the segments.

#include <string>
#include <utility>

#include <nori/error.hpp>
#include <nori/store/metrics.hpp>

#include "store/checkpoint_files.hpp"
#include "store/core.hpp"

namespace nori::store {

namespace {

std::string_view reason_of(derived_verdict verdict) noexcept {
  return verdict == derived_verdict::foreign ? "foreign" : "damaged";
}

void check_writable(const core& of) {
  if (!of.writable()) throw_error(errc::read_only, of.config().log.dir.string());
  if (of.stopping()) throw_error(errc::closed, of.config().log.dir.string());
}

// What a checkpoint says was read must not be taken back by a power cut: the store would go on with
// other events at the same positions, and whoever goes on from the checkpoint would miss them.
asio::awaitable<void> make_durable(core::shared self, std::uint64_t through) {
  const bool is_there = through < self->next_global();
  if (is_there && through >= self->visible_end(visibility::durable)) {
    co_await log::wait_all(self->log_of(), log::mark::durable);
  }
}

}  // namespace

asio::awaitable<void> core::save_checkpoint(shared self, std::string name, std::uint64_t through) {
  check_writable(*self);
  co_await make_durable(self, through);
  co_await save_checkpoint_file(self->derived_, name, through);
  if (meter* const to = self->measures()) to->add(metrics::store_checkpoint_saves, 1, name);
}

// Nothing from a store that lost its end, or from another one, is believed.
bool core::believes(derived_verdict verdict, std::uint64_t through) const {
  if (verdict == derived_verdict::absent) return false;
  std::string_view reason;
  if (verdict != derived_verdict::valid) {
    reason = reason_of(verdict);
  } else if (through >= next_global()) {
    reason = "newer_than_store";
  } else {
    return true;
  }
  if (meter* const to = measures()) to->add(metrics::store_checkpoints_ignored, 1, reason);
  return false;
}

asio::awaitable<std::optional<std::uint64_t>> core::load_checkpoint(shared self, std::string name) {
  const found_checkpoint found = co_await load_checkpoint_file(self->derived_, std::move(name));
  if (!self->believes(found.verdict, found.through)) co_return std::nullopt;
  co_return found.through;
}

asio::awaitable<void> core::remove_checkpoint(shared self, std::string name) {
  check_writable(*self);
  co_await remove_checkpoint_file(self->derived_, std::move(name));
}

asio::awaitable<void> core::save_derived(shared self, std::string name, nori::derived what) {
  check_writable(*self);
  co_await make_durable(self, what.through);
  co_await save_projection_file(self->derived_, std::move(name), std::move(what));
}

asio::awaitable<std::optional<nori::derived>> core::load_derived(shared self, std::string name) {
  loaded_derived found = co_await load_projection_file(self->derived_, std::move(name));
  if (!self->believes(found.verdict, found.what.through)) co_return std::nullopt;
  co_return std::move(found.what);
}

asio::awaitable<void> core::remove_derived(shared self, std::string name) {
  check_writable(*self);
  co_await remove_projection_file(self->derived_, std::move(name));
}

}  // namespace nori::store
