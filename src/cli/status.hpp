#ifndef NORI_CLI_STATUS_HPP
#define NORI_CLI_STATUS_HPP

#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>

#include <stdexcept>
#include <string>

namespace nori::cli {

// What the program ends with. Scripts go by it: never change one.
inline constexpr int status_done = 0;
inline constexpr int status_failed = 1;     ///< the system refused something, or there is no room
inline constexpr int status_usage = 2;      ///< the command line is wrong
inline constexpr int status_damaged = 3;    ///< acknowledged data is damaged
inline constexpr int status_in_use = 4;     ///< another process owns the directory
inline constexpr int status_not_there = 5;  ///< no log, stream, position or match

/// Ends a verb: a sentence, what to do about it, and the status.
class stop : public std::runtime_error {
 public:
  stop(int status, const std::string& what, std::string advice = {})
      : std::runtime_error(what), status_(status), advice_(std::move(advice)) {}

  [[nodiscard]] int status() const noexcept { return status_; }
  [[nodiscard]] const std::string& advice() const noexcept { return advice_; }

 private:
  int status_;
  std::string advice_;
};

struct outcome {
  int status;
  std::string advice;
};
/// What an error of the library or the system means here; `dir` is the log that the advice is on.
[[nodiscard]] outcome judge(const boost::system::error_code& code, const std::string& dir);

/// What to do about damage in this log; `verified`: it is known how much there is.
[[nodiscard]] std::string damage_advice(const std::string& dir, bool verified = false);

/// What went wrong, without what only a programmer could do about it.
[[nodiscard]] std::string text_of(const boost::system::system_error& error);

}  // namespace nori::cli

#endif
