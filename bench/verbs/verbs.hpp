#ifndef NORI_BENCH_VERBS_VERBS_HPP
#define NORI_BENCH_VERBS_VERBS_HPP

#include <array>
#include <span>
#include <string_view>

namespace nori::bench {

using arguments = std::span<char* const>;

// Each returns the program's exit status, and throws usage_error for a bad option.
int append_verb(arguments given);
int read_verb(arguments given);
int store_verb(arguments given);

struct verb {
  std::string_view name;
  std::string_view summary;
  int (*run)(arguments);
};

inline constexpr std::array verbs{
    verb{"append", "appends by coroutines, against the best loop of system calls", &append_verb},
    verb{"read", "replay of a log, against pread and CRC", &read_verb},
    verb{"store", "the event store: appends, reads, opening, memory", &store_verb},
};

}  // namespace nori::bench

#endif
