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
int recover_verb(arguments given);
int store_verb(arguments given);
int embed_verb(arguments given);
int policies_verb(arguments given);
int compare_verb(arguments given);
int report_verb(arguments given);

struct verb {
  std::string_view name;
  std::string_view summary;
  int (*run)(arguments);
};

inline constexpr std::array verbs{
    verb{"append", "appends by coroutines, against the best loop of system calls", &append_verb},
    verb{"read", "replay of a log, against pread and CRC", &read_verb},
    verb{"recover", "opening a log after a close and after a kill, by its size", &recover_verb},
    verb{"store", "the event store: appends, reads, opening, memory", &store_verb},
    verb{"embed", "an echo server and a subscription on the log's io_context", &embed_verb},
    verb{"policies", "the sweep: policies, record sizes and numbers of writers", &policies_verb},
    verb{"compare", "the same appends by RocksDB, SQLite, LMDB and PostgreSQL", &compare_verb},
    verb{"report", "recorded runs over time; a page of plots from JSON files", &report_verb},
};

}  // namespace nori::bench

#endif
