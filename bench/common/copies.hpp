#ifndef NORI_BENCH_COMMON_COPIES_HPP
#define NORI_BENCH_COMMON_COPIES_HPP

#include <filesystem>

namespace nori::bench {

/// Copies the directory of a log or store that nobody has open.
///
/// Complete segments and indexes are never written again: a link is as good as a copy. Of the last
/// segments a copy is made.
void copy_log(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace nori::bench

#endif
