#include "storage/ending.hpp"

namespace nori::storage {

asio::execution_context::id ending_with_context::id;

void ending_with_context::shutdown() noexcept {
  std::vector<entry> ending;
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    ending.swap(entries_);
  }
  for (const entry& each : ending) {
    if (const auto alive = each.what.lock()) each.end(alive.get());
  }
}

}  // namespace nori::storage
