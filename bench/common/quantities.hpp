#ifndef NORI_BENCH_COMMON_QUANTITIES_HPP
#define NORI_BENCH_COMMON_QUANTITIES_HPP

#include <cstdint>
#include <string>
#include <string_view>

#include <nori/config.hpp>

namespace nori::bench {

// What people type. Each throws std::invalid_argument with what it expected.

/// "100", "4KiB", "128MiB", "1GiB"; K, M and G alone are powers of 1024 too.
[[nodiscard]] std::uint64_t parse_bytes(std::string_view text);
/// "64", "200k", "1M": powers of 1000.
[[nodiscard]] std::uint64_t parse_count(std::string_view text);
/// "10", "0.5", "10s", "200ms".
[[nodiscard]] double parse_seconds(std::string_view text);
/// "always", "os", "batch" (5 ms), "batch:20ms".
[[nodiscard]] fsync_policy parse_policy(std::string_view text);
[[nodiscard]] backend parse_backend(std::string_view text);

// What people read: three digits and a unit.

[[nodiscard]] std::string count_text(double value);   ///< "5.23 M"
[[nodiscard]] std::string bytes_text(double bytes);   ///< "136 B", "128 MiB"
[[nodiscard]] std::string time_text(double ns);       ///< "204 us"
[[nodiscard]] std::string digits_text(double value);  ///< "0.94"
[[nodiscard]] std::string plain_text(double value);  ///< "8": no more digits than it has, up to six
[[nodiscard]] std::string policy_text(fsync_policy policy);
[[nodiscard]] std::string_view backend_text(backend which);

/// What an acknowledged record survives under a policy, as a sentence.
[[nodiscard]] std::string survives_text(fsync_policy policy);

}  // namespace nori::bench

#endif
