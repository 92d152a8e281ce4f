#ifndef NORI_CLI_PROGRAM_HPP
#define NORI_CLI_PROGRAM_HPP

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace nori::cli {

/// What another program gave.
struct ended_program {
  int status = -1;  ///< what it ended with, or minus the number of the signal
  std::string out;
  std::string error;
};

/// A program beside this one, or else on the PATH.
[[nodiscard]] std::optional<std::filesystem::path> find_program(const std::string& name);

/// Runs a program to its end, keeping up to 16 MiB of each output; `tick` is called a few times a
/// second meanwhile. It is interrupted when this process ends before it.
/// @throws system_error where it can't be started.
[[nodiscard]] ended_program run_program(const std::filesystem::path& program,
                                        const std::vector<std::string>& words,
                                        const std::function<void()>& tick);

}  // namespace nori::cli

#endif
