#include <nori/testing/simulated_disk.hpp>

#include <stdexcept>
#include <string_view>
#include <utility>

#include "testing/disk_state.hpp"
#include "testing/simulated_storage.hpp"

namespace nori::testing {

namespace {

std::string directory_of(const std::filesystem::path& file) {
  return file.parent_path().lexically_normal().string();
}

simulated_file& existing(disk_state& on, const std::filesystem::path& file) {
  const simulated_file_ptr found = on.find_locked(file);
  if (!found) throw std::out_of_range(file.string() + " is not on the simulated disk");
  return *found;
}

// What is said of a directory from outside is durable at once.
void set_name(disk_state& on, const std::filesystem::path& file, simulated_file_ptr to) {
  simulated_directory& in = on.image.directories[directory_of(file)];
  for (simulated_directory::names* const each : {&in.seen, &in.durable}) {
    if (to) {
      (*each)[file.filename().string()] = to;
    } else {
      each->erase(file.filename().string());
    }
  }
  if (to) to->name = file.filename().string();
}

}  // namespace

simulated_disk::simulated_disk(std::uint64_t seed, simulated_disk_options options)
    : state_(std::make_shared<disk_state>(seed, options)) {}
simulated_disk::simulated_disk(std::shared_ptr<disk_state> state) noexcept
    : state_(std::move(state)) {}
simulated_disk::simulated_disk(simulated_disk&&) noexcept = default;
simulated_disk& simulated_disk::operator=(simulated_disk&&) noexcept = default;
simulated_disk::~simulated_disk() = default;

std::shared_ptr<storage_source> simulated_disk::storage() const { return state_; }

void simulated_disk::cut_power(const power_cut& how) { state_->end_of_process(&how); }
void simulated_disk::kill() { state_->end_of_process(nullptr); }

void simulated_disk::cut_power_before(std::uint64_t number, power_cut how) {
  const std::lock_guard lock(state_->mutex);
  state_->cut_before = number;
  state_->cut_how = std::move(how);
}

bool simulated_disk::power_was_cut() const {
  const std::lock_guard lock(state_->mutex);
  return state_->was_cut;
}

pending_changes simulated_disk::pending() const {
  // Writes in flight count, and only a copy can tell what they change.
  const std::shared_ptr<disk_state> copied = state_->copy(0);
  const std::lock_guard lock(copied->mutex);
  return copied->image.pending();
}

simulated_disk simulated_disk::after_power_cut(const power_cut& how, std::uint64_t seed) const {
  std::shared_ptr<disk_state> copied = state_->copy(seed);
  {
    const std::lock_guard lock(copied->mutex);
    copied->image.cut_power(how, copied->random);
  }
  return simulated_disk(std::move(copied));
}

simulated_disk simulated_disk::after_kill(std::uint64_t seed) const {
  return simulated_disk(state_->copy(seed));
}

std::uint64_t simulated_disk::image_hash() const {
  const std::lock_guard lock(state_->mutex);
  return state_->image.hash();
}

void simulated_disk::fail(disk_fault what) {
  const std::lock_guard lock(state_->mutex);
  state_->faults.add(std::move(what));
}

void simulated_disk::shorten_writes(std::size_t bytes) {
  const std::lock_guard lock(state_->mutex);
  state_->faults.write_bytes_max = bytes;
}

void simulated_disk::hold(disk_operation what, std::string name) {
  const std::lock_guard lock(state_->mutex);
  state_->faults.holds_on.emplace_back(what, std::move(name));
}

void simulated_disk::release() {
  std::vector<std::shared_ptr<simulated_storage>> open;
  {
    const std::lock_guard lock(state_->mutex);
    state_->faults.holds_on.clear();
    open = state_->open_storages_locked();
  }
  for (const auto& each : open) each->release();
}

void simulated_disk::clear_faults() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->faults.clear();
  }
  release();
}

void simulated_disk::after_failed_sync(failed_sync how) {
  const std::lock_guard lock(state_->mutex);
  state_->faults.after_failed_sync = how;
}

void simulated_disk::remount() {
  const std::lock_guard lock(state_->mutex);
  state_->read_only = false;
}

void simulated_disk::limit_space(std::uint64_t bytes_max) {
  const std::lock_guard lock(state_->mutex);
  state_->options.space_bytes_max = bytes_max;
}

void simulated_disk::flip_bit(const std::filesystem::path& file, std::uint64_t offset,
                              unsigned bit) {
  const std::lock_guard lock(state_->mutex);
  simulated_file& in = existing(*state_, file);
  if (offset >= in.bytes()) throw std::out_of_range(file.string() + " is shorter");
  std::byte byte{};
  in.read(offset, &byte, 1, false);
  byte ^= static_cast<std::byte>(1U << (bit % 8));
  in.overwrite(offset, {&byte, 1});
}

void simulated_disk::overwrite(const std::filesystem::path& file, std::uint64_t offset,
                               std::string_view bytes) {
  const std::lock_guard lock(state_->mutex);
  simulated_file& in = existing(*state_, file);
  if (offset + bytes.size() > in.bytes()) throw std::out_of_range(file.string() + " is shorter");
  in.overwrite(offset, std::as_bytes(std::span(bytes)));
}

void simulated_disk::remove(const std::filesystem::path& file) {
  const std::lock_guard lock(state_->mutex);
  existing(*state_, file);
  set_name(*state_, file, nullptr);
}

void simulated_disk::rename(const std::filesystem::path& from, const std::filesystem::path& to) {
  const std::lock_guard lock(state_->mutex);
  existing(*state_, from);
  const simulated_file_ptr moved = state_->find_locked(from);
  set_name(*state_, from, nullptr);
  set_name(*state_, to, moved);
}

void simulated_disk::put(const std::filesystem::path& file, std::string_view bytes) {
  const std::lock_guard lock(state_->mutex);
  const auto made = std::make_shared<simulated_file>(file.filename().string());
  made->write(0, std::as_bytes(std::span(bytes)), state_->image.stamp);
  made->sync();
  set_name(*state_, file, made);
}

void simulated_disk::truncate(const std::filesystem::path& file, std::uint64_t bytes) {
  const std::lock_guard lock(state_->mutex);
  simulated_file& in = existing(*state_, file);
  in.resize(bytes, state_->image.stamp);
  in.sync();
}

bool simulated_disk::holds(const std::filesystem::path& file) const {
  const std::lock_guard lock(state_->mutex);
  return state_->find_locked(file) != nullptr;
}

std::vector<std::string> simulated_disk::files(const std::filesystem::path& directory) const {
  const std::lock_guard lock(state_->mutex);
  std::vector<std::string> all;
  const auto found = state_->image.directories.find(directory.lexically_normal().string());
  if (found == state_->image.directories.end()) return all;
  for (const auto& [name, file] : found->second.seen) all.push_back(name);
  return all;
}

std::string simulated_disk::bytes_of(const std::filesystem::path& file) const {
  const std::lock_guard lock(state_->mutex);
  simulated_file& in = existing(*state_, file);
  in.absorb_mapping(state_->image.stamp);
  std::string bytes(in.bytes(), '\0');
  in.read(0, reinterpret_cast<std::byte*>(bytes.data()), bytes.size(), false);
  return bytes;
}

std::uint64_t simulated_disk::operations() const {
  const std::lock_guard lock(state_->mutex);
  return state_->operations;
}

void simulated_disk::on_operation(std::function<void(const disk_event&)> call) {
  const std::lock_guard lock(state_->mutex);
  state_->hook = std::move(call);
}

std::chrono::system_clock::time_point simulated_disk::now() const {
  const std::lock_guard lock(state_->mutex);
  return state_->options.starts_at +
         std::chrono::duration_cast<std::chrono::system_clock::duration>(state_->elapsed);
}

void simulated_disk::advance(std::chrono::nanoseconds by) { state_->advance(by); }

void simulated_disk::run(asio::io_context& on) {
  static_cast<void>(run_until(on, [] { return false; }));
}

bool simulated_disk::run_until(asio::io_context& on, const std::function<bool()>& condition) {
  // Real time that somebody else's thread may take before we look at the clock again.
  constexpr std::chrono::milliseconds patience(50);
  while (!condition()) {
    on.restart();
    if (on.poll_one() != 0) continue;
    std::chrono::nanoseconds now{};
    {
      const std::lock_guard lock(state_->mutex);
      now = state_->elapsed;
    }
    if (const auto next = state_->next_alarm()) {
      state_->advance(std::max(*next, now) - now);
    } else if (on.stopped()) {
      return condition();
    } else {
      on.run_one_for(patience);
    }
  }
  return true;
}

}  // namespace nori::testing
