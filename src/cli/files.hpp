#ifndef NORI_CLI_FILES_HPP
#define NORI_CLI_FILES_HPP

#include <filesystem>
#include <string>
#include <vector>

namespace nori::cli {

/// Names of the files in a log's directory that are not the log and can't be made again from it:
/// checkpoints, saved projections, and the newest revisions of what was deleted.
[[nodiscard]] std::vector<std::string> kept_beside(const std::filesystem::path& dir);

/// Names of the index files, which can be made again.
[[nodiscard]] std::vector<std::string> index_files(const std::filesystem::path& dir);

/// Whether a directory that can be read has any segment of a log.
[[nodiscard]] bool has_segments(const std::filesystem::path& dir);

/// Copies a file, durably and at once: whoever looks finds the old one or the new one.
void copy_durably(const std::filesystem::path& from, const std::filesystem::path& to);

/// Throws stop unless the directory is missing or empty.
void check_new(const std::string& dir, const std::string& what_for);

/// Makes a directory of mode 0700 that is not there yet, parents not included.
void make_directory(const std::filesystem::path& dir);

}  // namespace nori::cli

#endif
