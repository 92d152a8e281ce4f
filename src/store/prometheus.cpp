#include <nori/store/prometheus.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cmath>
#include <functional>
#include <mutex>
#include <new>
#include <utility>

#include <nori/error.hpp>

namespace nori {

namespace {

constexpr std::string_view overflow_label = "other";

std::vector<double> usual_buckets(std::string_view name) {
  if (name.ends_with("_seconds")) {
    return {1e-5,   2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2,
            2.5e-2, 5e-2,   0.1,  0.25, 0.5,    1,    2.5,  5,      10};
  }
  const bool bytes = name.ends_with("_bytes");
  std::vector<double> powers;
  for (double at = bytes ? 64 : 1; at <= (bytes ? 64.0 * 1024 * 1024 : 65536); at *= 4) {
    powers.push_back(at);
  }
  return powers;
}

// How many bytes of well-formed UTF-8 text begin here; 0: the first byte does not belong.
std::size_t character_bytes(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t bytes = first >= 0xc2 && first <= 0xdf   ? 2
                            : first >= 0xe0 && first <= 0xef ? 3
                            : first >= 0xf0 && first <= 0xf4 ? 4
                                                             : 0;
  if (bytes == 0 || text.size() < bytes) return 0;
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  // Overlong, surrogate, or beyond the last character.
  if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f) ||
      (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f)) {
    return 0;
  }
  return bytes;
}

std::string escaped(std::string_view text, bool quotes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string result;
  while (!text.empty()) {
    const std::size_t bytes = character_bytes(text);
    const char first = text.front();
    if (bytes == 0) {
      const auto value = static_cast<unsigned char>(first);
      result += "\\\\x";
      result += digits[value >> 4];
      result += digits[value & 15];
    } else if (first == '\\') {
      result += "\\\\";
    } else if (first == '\n') {
      result += "\\n";
    } else if (first == '"' && quotes) {
      result += "\\\"";
    } else {
      result += text.substr(0, bytes);
    }
    text.remove_prefix(std::max<std::size_t>(bytes, 1));
  }
  return result;
}

std::string as_name(std::string_view text, bool colons) {
  std::string name(text);
  for (char& c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    const bool digit = c >= '0' && c <= '9' && &c != name.data();
    if (!letter && !digit && !(colons && c == ':')) c = '_';
  }
  return name.empty() ? "_" : name;
}

void put(std::string& to, double value) {
  if (std::isnan(value)) {
    to += "NaN";
  } else if (std::isinf(value)) {
    to += value > 0 ? "+Inf" : "-Inf";
  } else {
    std::array<char, 32> room;
    to.append(room.data(), std::to_chars(room.data(), room.data() + room.size(), value).ptr);
  }
}

void put(std::string& to, std::uint64_t value) { to += std::to_string(value); }

// The values of one metric under one label value.
struct series {
  explicit series(std::string its_label, std::size_t buckets) : label(std::move(its_label)) {
    if (buckets > 0) counts = std::make_unique<std::atomic<std::uint64_t>[]>(buckets);
  }

  const std::string label;  ///< as it is shown
  std::atomic<std::uint64_t> total{0};
  std::atomic<double> value{0};  ///< of a gauge; the sum of a histogram
  /// Of a histogram: what fell into each bucket; the last is +Inf.
  std::unique_ptr<std::atomic<std::uint64_t>[]> counts;
};

// A label value as it was given, and where it is counted. Chains only ever grow at their head.
struct named {
  named(std::string_view its_label, series* counted, const named* its_next)
      : label(its_label), in(counted), next(its_next) {}
  const std::string label;
  series* const in;
  const named* const next;
};

struct family {
  family(const metric& of, const prometheus_options& options)
      : name(as_name(of.name, true)),
        help(of.help),
        label_name(of.label.empty() ? std::string() : as_name(of.label, false)),
        is(of.is),
        label_values_max(options.label_values_max) {
    if (is == metric::kind::histogram) {
      const auto given = options.buckets.find(of.name);
      bounds = given != options.buckets.end() ? given->second : usual_buckets(of.name);
    }
    if (label_name.empty()) sole = &add_series({});
  }

  series* find(std::string_view label) {
    if (sole != nullptr) return sole;
    std::atomic<const named*>& chain = chains[std::hash<std::string_view>{}(label) % chains.size()];
    if (series* const found = look(chain.load(std::memory_order_acquire), label)) return found;
    const std::lock_guard lock(mutex);
    const named* const head = chain.load(std::memory_order_relaxed);
    if (series* const found = look(head, label)) return found;
    if (labels.size() >= label_values_max) return &counted_as(std::string(overflow_label));
    labels.push_back(std::make_unique<named>(label, &counted_as(escaped(label, true)), head));
    chain.store(labels.back().get(), std::memory_order_release);
    return labels.back()->in;
  }

  void show(std::string& to) const;

  const std::string name;
  const std::string help;
  const std::string label_name;
  const metric::kind is;
  const std::size_t label_values_max;
  std::vector<double> bounds;

 private:
  static series* look(const named* at, std::string_view label) noexcept {
    for (; at != nullptr; at = at->next) {
      if (at->label == label) return at->in;
    }
    return nullptr;
  }
  series& add_series(std::string shown) {
    const std::size_t buckets = is == metric::kind::histogram ? bounds.size() + 1 : 0;
    auto made = std::make_unique<series>(shown, buckets);
    return *all.emplace(std::move(shown), std::move(made)).first->second;
  }
  // Two values may look the same.
  series& counted_as(std::string shown) {
    const auto found = all.find(shown);
    return found != all.end() ? *found->second : add_series(std::move(shown));
  }

  mutable std::mutex mutex;
  std::map<std::string, std::unique_ptr<series>> all;
  std::vector<std::unique_ptr<named>> labels;
  std::array<std::atomic<const named*>, 64> chains{};
  series* sole = nullptr;  ///< of a metric without label
};

void family::show(std::string& to) const {
  constexpr std::string_view kinds[] = {"counter", "gauge", "histogram"};
  to += "# HELP " + name + ' ' + escaped(help, false) + '\n';
  to += "# TYPE " + name + ' ';
  to += kinds[static_cast<int>(is)];
  to += '\n';
  const auto line = [&](std::string_view suffix, const series& of, std::string_view bound,
                        auto value) {
    to += name;
    to += suffix;
    std::string pairs;
    if (!label_name.empty()) pairs = label_name + "=\"" + of.label + '"';
    if (!bound.empty()) {
      if (!pairs.empty()) pairs += ',';
      pairs += "le=\"" + std::string(bound) + '"';
    }
    if (!pairs.empty()) to += '{' + pairs + '}';
    to += ' ';
    put(to, value);
    to += '\n';
  };
  const std::lock_guard lock(mutex);
  for (const auto& [shown, one] : all) {
    if (is == metric::kind::counter) {
      line("", *one, "", one->total.load(std::memory_order_relaxed));
    } else if (is == metric::kind::gauge) {
      line("", *one, "", one->value.load(std::memory_order_relaxed));
    } else {
      std::uint64_t below = 0;
      for (std::size_t i = 0; i <= bounds.size(); ++i) {
        below += one->counts[i].load(std::memory_order_relaxed);
        std::string bound = "+Inf";
        if (i < bounds.size()) {
          bound.clear();
          put(bound, bounds[i]);
        }
        line("_bucket", *one, bound, below);
      }
      line("_sum", *one, "", one->value.load(std::memory_order_relaxed));
      // Not a counter of its own: it must equal the last bucket.
      line("_count", *one, "", below);
    }
  }
}

}  // namespace

struct prometheus_exporter::registry {
  explicit registry(prometheus_options its_options) : options(std::move(its_options)) {}

  // A hash table by the descriptor's address, which only ever grows: twice as large as it gets
  // full.
  struct slot {
    std::atomic<const metric*> key{nullptr};
    family* of = nullptr;  ///< set before the key is
  };

  family* find(const metric& what) {
    std::size_t at = place_of(what);
    for (;;) {
      const slot& here = slots[at];
      const metric* const key = here.key.load(std::memory_order_acquire);
      if (key == &what) return here.of;
      if (key == nullptr) break;
      at = (at + 1) % slots.size();
    }
    const std::lock_guard lock(mutex);
    while (const metric* const key = slots[at].key.load(std::memory_order_relaxed)) {
      if (key == &what) return slots[at].of;
      at = (at + 1) % slots.size();
    }
    if (taken == metrics_max) return nullptr;
    // Another descriptor may have the name: a second one would spoil the text.
    auto& of = families[as_name(what.name, true)];
    if (!of) of = std::make_unique<family>(what, options);
    slots[at].of = of.get();
    slots[at].key.store(&what, std::memory_order_release);
    ++taken;
    return of.get();
  }

  // Null where it is to be ignored.
  family* find(const metric& what, metric::kind is) {
    family* const found = find(what);
    return found != nullptr && found->is == is ? found : nullptr;
  }

  static std::size_t place_of(const metric& what) noexcept {
    const auto address = reinterpret_cast<std::uintptr_t>(&what);
    return static_cast<std::size_t>((address >> 4) * 0x9e3779b97f4a7c15U >> 54);
  }

  const prometheus_options options;
  std::array<slot, 2 * metrics_max> slots;
  static_assert(2 * metrics_max == std::size_t{1} << (64 - 54));
  mutable std::mutex mutex;
  std::size_t taken = 0;
  std::map<std::string, std::unique_ptr<family>> families;
};

prometheus_exporter::prometheus_exporter(prometheus_options options) {
  if (options.label_values_max < 1) {
    throw_error(errc::invalid_config, "prometheus_options::label_values_max must be at least 1");
  }
  for (const auto& [name, bounds] : options.buckets) {
    const bool ascending =
        std::adjacent_find(bounds.begin(), bounds.end(), std::greater_equal<>()) == bounds.end();
    const bool finite =
        std::ranges::all_of(bounds, [](double each) { return std::isfinite(each); });
    if (!ascending || !finite) {
      throw_error(errc::invalid_config,
                  "prometheus_options::buckets of " + name + " must be finite and ascending");
    }
  }
  registry_ = std::make_unique<registry>(std::move(options));
}

prometheus_exporter::~prometheus_exporter() = default;

void prometheus_exporter::add(const metric& counter, std::uint64_t delta,
                              std::string_view label) noexcept {
  try {
    if (family* const of = registry_->find(counter, metric::kind::counter)) {
      of->find(label)->total.fetch_add(delta, std::memory_order_relaxed);
    }
  } catch (const std::bad_alloc&) {  // NOLINT: lost, as the header says
  }
}

void prometheus_exporter::set(const metric& gauge, double value, std::string_view label) noexcept {
  try {
    if (family* const of = registry_->find(gauge, metric::kind::gauge)) {
      of->find(label)->value.store(value, std::memory_order_relaxed);
    }
  } catch (const std::bad_alloc&) {  // NOLINT: lost, as the header says
  }
}

void prometheus_exporter::observe(const metric& histogram, double value,
                                  std::string_view label) noexcept {
  // It would be in no bucket and make the sum useless for ever.
  if (std::isnan(value)) return;
  try {
    if (family* const of = registry_->find(histogram, metric::kind::histogram)) {
      series* const to = of->find(label);
      // A bound is inclusive.
      const auto bucket = std::ranges::lower_bound(of->bounds, value) - of->bounds.begin();
      to->counts[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
      to->value.fetch_add(value, std::memory_order_relaxed);
    }
  } catch (const std::bad_alloc&) {  // NOLINT: lost, as the header says
  }
}

std::string prometheus_exporter::text() const {
  std::string result;
  const std::lock_guard lock(registry_->mutex);
  for (const auto& [name, each] : registry_->families) each->show(result);
  return result;
}

}  // namespace nori
