#ifndef NORI_BENCH_COMMON_CONSUMER_HPP
#define NORI_BENCH_COMMON_CONSUMER_HPP

#include <cstddef>
#include <string_view>

namespace nori::bench {

/// What whoever replays a log does at least with a record: it looks into each cache line of it, so
/// that one who only hands out addresses gains nothing by that.
class consumer {
 public:
  void look_at(std::string_view record) noexcept {
    unsigned char sum = 0;
    for (std::size_t at = 0; at < record.size(); at += cache_line) {
      sum = static_cast<unsigned char>(sum + static_cast<unsigned char>(record[at]));
    }
    seen_ = sum;
  }

 private:
  static constexpr std::size_t cache_line = 64;
  volatile unsigned char seen_ = 0;  ///< the compiler must not leave it out
};

}  // namespace nori::bench

#endif
