#include "store/group_core.hpp"

#include <cassert>

namespace nori::store {

void group_core::offer(std::uint64_t position, std::string stream) {
  assert(!horizon_ || position > *horizon_);
  horizon_ = position;
  std::deque<std::uint64_t>& line = streams_[stream];
  line.push_back(position);
  entry& what = entries_[position];
  what.stream = std::move(stream);
  if (line.size() == 1) make_ready(position, what);
}

void group_core::pass(std::uint64_t through) {
  if (!horizon_ || through > *horizon_) horizon_ = through;
}

void group_core::make_ready(std::uint64_t position, entry& what) {
  what.is = where::ready;
  ready_.insert(position);
}

std::optional<group_core::delivery> group_core::take(member who) {
  if (ready_.empty()) return std::nullopt;
  const std::uint64_t position = *ready_.begin();
  ready_.erase(ready_.begin());
  entry& what = entries_.find(position)->second;
  what.is = where::taken;
  what.with = who;
  return delivery{position, ++what.attempts};
}

group_core::entry* group_core::taken(delivery what, member who) {
  const auto found = entries_.find(what.position);
  if (found == entries_.end()) return nullptr;
  entry& at = found->second;
  return at.is == where::taken && at.with == who && at.attempts == what.attempt ? &at : nullptr;
}

bool group_core::acknowledge(delivery what, member who) {
  if (taken(what, who) == nullptr) return false;
  finish(entries_.find(what.position));
  return true;
}

void group_core::finish(entries::iterator what) {
  const auto line = streams_.find(what->second.stream);
  assert(line->second.front() == what->first);
  line->second.pop_front();
  entries_.erase(what);
  if (line->second.empty()) {
    streams_.erase(line);
  } else {
    const std::uint64_t next = line->second.front();
    make_ready(next, entries_.find(next)->second);
  }
}

bool group_core::give_back(delivery what, member who, time when, time now) {
  entry* const at = taken(what, who);
  if (at == nullptr) return false;
  come_back(what.position, *at, when, now);
  return true;
}

void group_core::come_back(std::uint64_t position, entry& what, time when, time now) {
  if (what.attempts >= attempts_max_) {
    what.is = where::poisonous;
    poisonous_.insert(position);
  } else if (when > now) {
    what.is = where::delayed;
    what.due = when;
    delayed_.emplace(when, position);
  } else {
    make_ready(position, what);
  }
}

std::size_t group_core::leave(member who, time now) {
  std::size_t count = 0;
  for (auto& [position, what] : entries_) {
    if (what.is != where::taken || what.with != who) continue;
    come_back(position, what, now, now);
    ++count;
  }
  return count;
}

bool group_core::advance(time now) {
  while (!delayed_.empty() && delayed_.begin()->first <= now) {
    const std::uint64_t position = delayed_.begin()->second;
    delayed_.erase(delayed_.begin());
    make_ready(position, entries_.find(position)->second);
  }
  return !ready_.empty();
}

std::optional<group_core::time> group_core::next_due() const {
  if (delayed_.empty()) return std::nullopt;
  return delayed_.begin()->first;
}

std::optional<group_core::delivery> group_core::poisonous() const {
  if (poisonous_.empty()) return std::nullopt;
  const std::uint64_t position = *poisonous_.begin();
  return delivery{position, entries_.find(position)->second.attempts};
}

void group_core::park(std::uint64_t position) {
  if (poisonous_.erase(position) != 0) finish(entries_.find(position));
}

void group_core::pardon(std::uint64_t position) {
  if (poisonous_.erase(position) == 0) return;
  entry& what = entries_.find(position)->second;
  what.attempts = 0;
  make_ready(position, what);
}

std::optional<std::uint64_t> group_core::checkpoint() const {
  if (entries_.empty()) return horizon_;
  const std::uint64_t oldest = entries_.begin()->first;
  if (oldest == 0) return std::nullopt;
  return oldest - 1;
}

}  // namespace nori::store
