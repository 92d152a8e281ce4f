#include "testing/disk_state.hpp"

#include <algorithm>
#include <cstring>

#include "storage/mapped_ring.hpp"
#include "testing/granted_memory.hpp"
#include "testing/simulated_storage.hpp"

namespace nori::testing {

void fault_plan::clear() {
  faults_.clear();
  holds_on.clear();
  write_bytes_max = 0;
}

bool fault_plan::matches(disk_operation rule, disk_operation what) noexcept {
  return rule == what || rule == disk_operation::any ||
         (rule == disk_operation::write && what == disk_operation::durable_write);
}

std::optional<disk_fault> fault_plan::next(disk_operation what, const std::string& name) {
  std::optional<disk_fault> result;
  for (disk_fault& each : faults_) {
    if (!matches(each.what, what) || name.find(each.name) == std::string::npos) continue;
    if (each.kth > 1) {
      --each.kth;
    } else if (each.kth == 1 || each.for_ever) {
      each.kth = 0;
      if (!result) result = each;
    }
  }
  return result;
}

bool fault_plan::holds(disk_operation what, const std::string& name) const {
  return std::any_of(holds_on.begin(), holds_on.end(), [&](const auto& each) {
    return matches(each.first, what) && name.find(each.second) != std::string::npos;
  });
}

bool fault_plan::reads_fail() const {
  return std::any_of(faults_.begin(), faults_.end(), [](const disk_fault& each) {
    return matches(each.what, disk_operation::read);
  });
}

std::unique_ptr<storage::ring_memory> ring_pool::take(std::size_t bytes) {
  std::unique_ptr<storage::ring_memory> found;
  {
    const std::lock_guard lock(mutex_);
    auto& free = free_[bytes];
    if (!free.empty()) {
      found = std::move(free.back());
      free.pop_back();
    }
  }
  if (!found) return storage::map_memory(bytes);
  std::memset(found->data(), 0, bytes);
  return found;
}

void ring_pool::give_back(std::unique_ptr<storage::ring_memory> ring) {
  // A test may use rings of many sizes and be done with most of them.
  constexpr std::size_t kept_bytes_max = std::size_t{1} << 20;
  constexpr std::size_t kept_max = 8;
  if (ring->bytes() > kept_bytes_max) return;
  const std::lock_guard lock(mutex_);
  auto& free = free_[ring->bytes()];
  if (free.size() < kept_max) free.push_back(std::move(ring));
}

disk_state::disk_state(std::uint64_t seed, simulated_disk_options chosen)
    : random(seed), options(chosen) {}

std::vector<std::shared_ptr<simulated_storage>> disk_state::open_storages_locked() {
  std::vector<std::shared_ptr<simulated_storage>> all;
  for (const auto& each : storages) {
    if (auto alive = each.lock()) all.push_back(std::move(alive));
  }
  return all;
}

void disk_state::end_of_process(const power_cut* cut) {
  // Named outside: the last reference to a storage must not go with the mutex held.
  std::vector<std::shared_ptr<simulated_storage>> open;
  const std::lock_guard lock(mutex);
  open = open_storages_locked();
  for (const auto& each : open) {
    const auto in = image.directories.find(each->path());
    if (in == image.directories.end()) continue;
    each->for_each_write_in_flight([&](const storage::io_request& io) {
      simulated_file& file = *simulated_handle::from(*io.target).file;
      std::uint64_t offset = io.offset;
      // A kill lets a device finish what it has; where it had not begun, nothing comes.
      if (cut == nullptr && random() % 2 == 0) return;
      for (std::uint8_t i = 0; i < io.piece_count; ++i) {
        file.write(offset,
                   {static_cast<const std::byte*>(io.pieces[i].iov_base), io.pieces[i].iov_len},
                   image.stamp);
        offset += io.pieces[i].iov_len;
      }
    });
    each->cut_off();
  }
  storages.clear();
  locks.clear();
  if (cut != nullptr) {
    image.cut_power(*cut, random);
    was_cut = true;
  } else {
    image.end_mappings();
  }
}

std::shared_ptr<disk_state> disk_state::copy(std::uint64_t seed) {
  std::vector<std::shared_ptr<simulated_storage>> open;
  const std::lock_guard lock(mutex);
  open = open_storages_locked();
  auto made = std::make_shared<disk_state>(seed, options);
  made->image = image.copy();
  made->rings = rings;
  made->elapsed = elapsed;
  made->read_only = read_only;
  for (const auto& each : open) {
    simulated_directory& in = made->image.directories[each->path()];
    each->for_each_write_in_flight([&](const storage::io_request& io) {
      const auto to = in.seen.find(simulated_handle::from(*io.target).file->name);
      if (to == in.seen.end()) return;
      std::uint64_t offset = io.offset;
      for (std::uint8_t i = 0; i < io.piece_count; ++i) {
        to->second->write(
            offset, {static_cast<const std::byte*>(io.pieces[i].iov_base), io.pieces[i].iov_len},
            made->image.stamp);
        offset += io.pieces[i].iov_len;
      }
    });
  }
  return made;
}

std::optional<std::chrono::nanoseconds> disk_state::next_alarm() {
  const granted_memory granted;
  std::vector<std::shared_ptr<simulated_storage>> open;
  const std::lock_guard lock(mutex);
  open = open_storages_locked();
  std::optional<std::chrono::nanoseconds> first;
  for (const auto& each : open) {
    const auto its = each->next_alarm();
    if (its && (!first || *its < *first)) first = its;
  }
  return first;
}

void disk_state::advance(std::chrono::nanoseconds by) {
  const granted_memory granted;
  std::chrono::nanoseconds until{};
  {
    const std::lock_guard lock(mutex);
    until = elapsed + by;
  }
  for (;;) {
    const auto next = next_alarm();
    if (!next || *next > until) break;
    std::vector<std::shared_ptr<simulated_storage>> open;
    {
      const std::lock_guard lock(mutex);
      elapsed = std::max(elapsed, *next);
      open = open_storages_locked();
    }
    for (const auto& each : open) {
      if (each->ring(*next)) break;
    }
  }
  const std::lock_guard lock(mutex);
  elapsed = until;
}

simulated_file_ptr disk_state::find_locked(const std::filesystem::path& file) {
  const std::string dir = file.parent_path().lexically_normal().string();
  const auto in = image.directories.find(dir);
  if (in == image.directories.end()) return nullptr;
  const auto found = in->second.seen.find(file.filename().string());
  return found == in->second.seen.end() ? nullptr : found->second;
}

}  // namespace nori::testing
