#include "input.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <utility>

#include <nori/store/json.hpp>

namespace account_server {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

std::string decode(std::string_view text, std::string_view field) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      plain += text[i];
      continue;
    }
    const int high = i + 1 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) {
      throw bad_input{std::string(field), "% is to be followed by two hexadecimal digits"};
    }
    plain += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return plain;
}

// Calls with each part of `text` between separators.
template <typename Function>
void split(std::string_view text, char separator, Function each) {
  for (;;) {
    const std::size_t end = text.find(separator);
    each(text.substr(0, end));
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

std::string parse_key(const request& asked) {
  constexpr std::size_t key_bytes_max = 64;
  const std::string_view field = "Idempotency-Key";
  const auto found = asked.find(field);
  if (found == asked.end()) throw bad_input{std::string(field), "Idempotency-Key is missing"};
  const std::string_view key(found->value().data(), found->value().size());
  const bool good = std::all_of(key.begin(), key.end(), [](char c) {
    return is_letter(c) || is_digit(c) || c == '.' || c == '_' || c == ':' || c == '-';
  });
  if (key.empty() || key.size() > key_bytes_max || !good) {
    throw bad_input{std::string(field),
                    "Idempotency-Key is to be 1 to 64 letters, digits, '.', '_', ':' or '-'"};
  }
  return std::string(key);
}

/// Members of a body, each to be taken once; what is left over is not known.
class members {
 public:
  explicit members(std::string_view body) {
    nori::json_limits limits;
    limits.bytes_max = body_bytes_max;
    limits.depth_max = 4;
    limits.members_max = 16;
    const auto parsed = nori::parse_json(body, limits);
    if (parsed.has_error()) throw bad_input{"body", "The body is not JSON as it is allowed here"};
    if (!parsed->is_object()) throw bad_input{"body", "The body is to be a JSON object"};
    given_ = parsed->get_object();
  }

  std::string take_account(std::string_view name) {
    const json::value value = take(name);
    if (!value.is_string())
      throw bad_input{std::string(name), std::string(name) + " is to be a string"};
    const json::string& text = value.get_string();
    return parse_account({text.data(), text.size()}, name);
  }
  std::int64_t take_integer(std::string_view name, std::int64_t least, std::int64_t most) {
    const json::value value = take(name);
    const bool fits = value.is_int64() && value.get_int64() >= least && value.get_int64() <= most;
    if (!fits) {
      throw bad_input{std::string(name), std::string(name) + " is to be an integer from " +
                                             std::to_string(least) + " to " + std::to_string(most)};
    }
    return value.get_int64();
  }
  [[nodiscard]] bool has(std::string_view name) const { return given_.contains(name); }
  void end() const {
    if (given_.empty()) return;
    const json::string_view name = given_.begin()->key();
    throw bad_input{std::string(name.data(), std::min<std::size_t>(name.size(), 64)),
                    "The body has a member that is not known here"};
  }

 private:
  json::value take(std::string_view name) {
    const auto found = given_.find(name);
    if (found == given_.end())
      throw bad_input{std::string(name), std::string(name) + " is missing"};
    json::value value = std::move(found->value());
    given_.erase(found);
    return value;
  }

  json::object given_;
};

}  // namespace

std::optional<std::string> target::parameter(std::string_view name) const {
  const auto found = query.find(name);
  if (found == query.end()) return std::nullopt;
  return found->second;
}

std::optional<std::uint64_t> target::count(std::string_view name) const {
  const std::optional<std::string> text = parameter(name);
  if (!text) return std::nullopt;
  return parse_count(*text, name);
}

std::size_t target::limit(std::size_t otherwise, std::size_t most) const {
  const std::optional<std::uint64_t> given = count("limit");
  if (!given) return otherwise;
  if (*given < 1 || *given > most) {
    throw bad_input{"limit", "limit is to be 1 to " + std::to_string(most)};
  }
  return static_cast<std::size_t>(*given);
}

void target::allow(std::initializer_list<std::string_view> names) const {
  for (const auto& [name, value] : query) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      throw bad_input{name.substr(0, 64), "There is no such parameter here"};
    }
  }
}

target parse_target(std::string_view text) {
  target parsed;
  if (!text.starts_with('/')) throw bad_input{"request", "The path is to begin with a slash"};
  const std::size_t mark = text.find('?');
  split(text.substr(1, mark == std::string_view::npos ? mark : mark - 1), '/',
        [&](std::string_view part) { parsed.path.push_back(decode(part, "request")); });
  if (mark == std::string_view::npos || mark + 1 == text.size()) return parsed;
  split(text.substr(mark + 1), '&', [&](std::string_view part) {
    const std::size_t equals = std::min(part.find('='), part.size());
    std::string name = decode(part.substr(0, equals), "request");
    std::string value = decode(part.substr(std::min(equals + 1, part.size())), name);
    if (!parsed.query.emplace(name, std::move(value)).second) {
      throw bad_input{name.substr(0, 64), "The parameter is there twice"};
    }
  });
  return parsed;
}

std::string parse_account(std::string_view text, std::string_view field) {
  constexpr std::size_t name_bytes_max = 64;
  const bool good = std::all_of(text.begin(), text.end(), [](char c) {
    return is_letter(c) || is_digit(c) || c == '_' || c == '-';
  });
  if (text.empty() || text.size() > name_bytes_max || !good) {
    throw bad_input{std::string(field), "An account's name is 1 to 64 letters, digits, '_' or '-'"};
  }
  return std::string(text);
}

std::uint64_t parse_count(std::string_view text, std::string_view field) {
  std::int64_t count = -1;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (text.empty() || !is_digit(text.front()) || failed != std::errc() ||
      end != text.data() + text.size()) {
    throw bad_input{std::string(field), std::string(field) + " is to be a count, in digits"};
  }
  return static_cast<std::uint64_t>(count);
}

// 2026-11-25T13:28:15Z, or with one to nine digits behind a point.
nori::event_time parse_time(std::string_view text, std::string_view field) {
  const bad_input wrong{std::string(field),
                        "A time is to be like 2026-11-25T13:28:15.5Z: RFC 3339 in UTC"};
  constexpr std::string_view form = "0000-00-00T00:00:00";
  if (text.size() < form.size() + 1 || text.back() != 'Z') throw wrong;
  for (std::size_t i = 0; i < form.size(); ++i) {
    if (form[i] == '0' ? !is_digit(text[i]) : text[i] != form[i]) throw wrong;
  }
  const auto number = [&](std::size_t at, std::size_t digits) {
    int value = 0;
    for (std::size_t i = at; i < at + digits; ++i) value = value * 10 + (text[i] - '0');
    return value;
  };
  const std::chrono::year_month_day day(std::chrono::year(number(0, 4)),
                                        std::chrono::month(static_cast<unsigned>(number(5, 2))),
                                        std::chrono::day(static_cast<unsigned>(number(8, 2))));
  // What a count of nanoseconds reaches.
  const bool reached = number(0, 4) >= 1970 && number(0, 4) < 2262;
  if (!day.ok() || !reached || number(11, 2) > 23 || number(14, 2) > 59 || number(17, 2) > 59) {
    throw wrong;
  }
  std::string_view fraction = text.substr(form.size(), text.size() - form.size() - 1);
  std::int64_t ns = 0;
  if (!fraction.empty()) {
    if (fraction.front() != '.' || fraction.size() < 2 || fraction.size() > 10) throw wrong;
    fraction.remove_prefix(1);
    if (!std::all_of(fraction.begin(), fraction.end(), is_digit)) throw wrong;
    for (std::size_t i = 0; i < 9; ++i)
      ns = ns * 10 + (i < fraction.size() ? fraction[i] - '0' : 0);
  }
  return std::chrono::sys_days(day) + std::chrono::hours(number(11, 2)) +
         std::chrono::minutes(number(14, 2)) + std::chrono::seconds(number(17, 2)) +
         std::chrono::nanoseconds(ns);
}

std::string to_string(nori::event_time when) {
  const auto day = std::chrono::floor<std::chrono::days>(when);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss<std::chrono::nanoseconds> time(when - day);
  char text[40];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%09dZ",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
                static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()),
                static_cast<int>(time.subseconds().count()));
  return text;
}

command parse_command(action what, std::optional<std::string> account, const request& asked) {
  command wanted;
  wanted.what = what;
  if (account) wanted.account = parse_account(*account, "account");
  wanted.key = parse_key(asked);
  members body(asked.body());
  if (what == action::open) wanted.account = body.take_account("account");
  if (what == action::transfer) {
    wanted.account = body.take_account("from");
    wanted.other = body.take_account("to");
  }
  if (what == action::deposit || what == action::withdraw || what == action::transfer) {
    wanted.amount = body.take_integer("amount", 1, amount_max);
  }
  if (what != action::open && body.has("expected_revision")) {
    wanted.expected_revision =
        static_cast<std::uint64_t>(body.take_integer("expected_revision", 0, INT64_MAX));
  }
  body.end();
  return wanted;
}

}  // namespace account_server
