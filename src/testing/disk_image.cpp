#include "testing/disk_image.hpp"

#include <algorithm>
#include <functional>
#include <set>

namespace nori::testing {

namespace {

void change_names(simulated_directory::names& to, const simulated_directory::change& what) {
  for (const auto& [name, file] : what) {
    if (file) {
      to[name] = file;
    } else {
      to.erase(name);
    }
  }
}

std::uint64_t hash_of(const std::string& text) {
  std::uint64_t sum = text.size();
  for (const char c : text) sum = sectors::mix(sum + static_cast<unsigned char>(c));
  return sum;
}

}  // namespace

void simulated_directory::set(change what, std::uint64_t& stamp) {
  change_names(seen, what);
  pending.push_back({++stamp, std::move(what)});
}

void simulated_directory::sync() {
  durable = seen;
  pending.clear();
}

// Each file once, in an order that does not depend on addresses.
template <typename Visit>
void disk_image::for_each_file(Visit visit) const {
  std::set<const simulated_file*> known;
  const auto once = [&](const simulated_file_ptr& file) {
    if (file && known.insert(file.get()).second) visit(file);
  };
  for (const auto& [path, directory] : directories) {
    for (const auto& [name, file] : directory.seen) once(file);
    for (const auto& [name, file] : directory.durable) once(file);
    for (const auto& each : directory.pending) {
      for (const auto& [name, file] : each.what) once(file);
    }
  }
}

disk_image disk_image::copy() {
  disk_image made;
  std::map<simulated_file*, simulated_file_ptr> copies;
  for_each_file([&](const simulated_file_ptr& file) {
    file->absorb_mapping(stamp);
    const auto mine = std::make_shared<simulated_file>(*file);
    mine->map({});
    copies.emplace(file.get(), mine);
  });
  const auto mine = [&](const simulated_file_ptr& file) {
    return file ? copies.at(file.get()) : nullptr;
  };
  for (const auto& [path, directory] : directories) {
    simulated_directory& to = made.directories[path];
    for (const auto& [name, file] : directory.seen) to.seen.emplace(name, mine(file));
    for (const auto& [name, file] : directory.durable) to.durable.emplace(name, mine(file));
    for (const auto& each : directory.pending) {
      simulated_directory::change what;
      for (const auto& [name, file] : each.what) what.emplace_back(name, mine(file));
      to.pending.push_back({each.stamp, std::move(what)});
    }
  }
  made.stamp = stamp;
  return made;
}

pending_changes disk_image::pending() {
  pending_changes sum;
  for_each_file([&](const simulated_file_ptr& file) {
    file->absorb_mapping(stamp);
    sum.sectors += file->pending().size();
  });
  for (const auto& [path, directory] : directories) sum.entries += directory.pending.size();
  return sum;
}

void disk_image::end_mappings() {
  for_each_file([&](const simulated_file_ptr& file) { file->unmap(stamp); });
}

void disk_image::cut_power(const power_cut& how, std::mt19937_64& random) {
  end_mappings();
  // Oldest first, as they would have arrived.
  std::vector<std::pair<simulated_file*, const simulated_file::change*>> changes;
  std::vector<simulated_file_ptr> files;  // those too that a change of names takes away
  for_each_file([&](const simulated_file_ptr& file) {
    files.push_back(file);
    for (const auto& each : file->pending()) changes.emplace_back(file.get(), &each);
  });
  std::sort(changes.begin(), changes.end(),
            [](const auto& a, const auto& b) { return a.second->stamp < b.second->stamp; });
  std::vector<std::pair<simulated_directory*, const simulated_directory::pending_change*>> names;
  for (auto& [path, directory] : directories) {
    for (const auto& each : directory.pending) names.emplace_back(&directory, &each);
  }
  std::sort(names.begin(), names.end(),
            [](const auto& a, const auto& b) { return a.second->stamp < b.second->stamp; });

  std::size_t arriving = how.how == power_cut::kind::all ? names.size() : 0;
  if (how.how == power_cut::kind::random) arriving = random() % (names.size() + 1);
  if (how.how == power_cut::kind::chosen) arriving = std::min(how.entries, names.size());
  for (std::size_t i = 0; i != arriving; ++i) {
    change_names(names[i].first->durable, names[i].second->what);
  }
  // One coin for all first, so that nearly all and nearly none come up as well.
  const std::uint64_t odds = how.how == power_cut::kind::random ? random() % 17 : 0;
  for (std::size_t i = 0; i != changes.size(); ++i) {
    bool arrives = how.how == power_cut::kind::all;
    if (how.how == power_cut::kind::random) arrives = random() % 16 < odds;
    if (how.how == power_cut::kind::chosen) arrives = i < how.sectors.size() && how.sectors[i];
    if (arrives) changes[i].first->arrive(*changes[i].second);
  }
  for (const simulated_file_ptr& file : files) file->lose_view();
  for (auto& [path, directory] : directories) {
    directory.seen = directory.durable;
    directory.pending.clear();
    for (const auto& [name, file] : directory.seen) file->name = name;
  }
}

std::uint64_t disk_image::hash() const {
  std::uint64_t sum = 0;
  for (const auto& [path, directory] : directories) {
    sum ^= sectors::mix(hash_of(path));
    for (const auto& [name, file] : directory.durable) {
      sum ^= sectors::mix(hash_of(path) + sectors::mix(hash_of(name) + file->device().hash()));
    }
  }
  return sum;
}

std::uint64_t disk_image::bytes_used() const {
  std::uint64_t blocks = 0;
  for_each_file([&](const simulated_file_ptr& file) { blocks += file->blocks(); });
  return blocks * 4096;
}

}  // namespace nori::testing
