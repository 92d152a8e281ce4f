#ifndef NORI_CLI_ARGUMENTS_HPP
#define NORI_CLI_ARGUMENTS_HPP

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <nori/position.hpp>
#include <nori/store/event.hpp>

namespace nori::cli {

/// A place that a person names: "41", a global position, or "3:8192", segment and offset.
struct place {
  std::optional<std::uint64_t> global_position;
  position at;
};

/// What the command line asks for. Each verb looks at its own part.
struct arguments {
  enum class colour : std::uint8_t { automatic, always, never };

  std::string verb;
  std::string dir;
  std::string target;  ///< the second directory or file; top: where the metrics are
  std::string stream;
  bool json = false;
  colour colours = colour::automatic;

  // Which records or events.
  std::optional<place> from;
  std::optional<place> until;
  std::optional<event_time> since;
  std::optional<event_time> before_time;
  std::vector<std::string> types;
  std::vector<std::string> tags;
  std::string prefix;
  std::string text;
  std::uint64_t limit = UINT64_MAX;
  bool backwards = false;
  bool follow = false;
  std::string fold;

  bool force = false;
  bool dry_run = false;
  bool names = false;    ///< streams: nothing but the names, a line each
  bool foreign = false;  ///< import: a log of the Rust crate nori-wal

  // top
  bool once = false;
  std::chrono::milliseconds interval{1000};
  std::chrono::milliseconds timeout{5000};

  // bench
  double seconds = 12;
  std::optional<double> rate;  ///< appends per second that the service needs
};

/// Reads the command line. Where it only asks for help, or is wrong, the status to end with.
[[nodiscard]] std::variant<arguments, int> read_arguments(int argc, char* argv[]);

/// "2026-01-31", "2026-01-31T12:30", "2026-01-31 12:30:15.5Z", "@1769862615", or how long ago:
/// "90s", "15m", "2h", "3d". UTC. None where it is none of them.
[[nodiscard]] std::optional<event_time> parse_time(const std::string& text, event_time now);
[[nodiscard]] std::optional<place> parse_place(const std::string& text);

}  // namespace nori::cli

#endif
