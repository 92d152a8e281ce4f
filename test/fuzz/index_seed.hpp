#ifndef NORI_TEST_FUZZ_INDEX_SEED_HPP
#define NORI_TEST_FUZZ_INDEX_SEED_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "store/index_format.hpp"

namespace nori::fuzz {

/// Of every index file that is made here.
inline store::index_facts seed_facts() {
  store::index_facts facts;
  facts.log = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  facts.segment_id = 7;
  facts.from_offset = 8192;
  facts.to_offset = 1 << 20;
  facts.first_global_position = 1000;
  facts.last_time_ns = 1;
  facts.last_frame_crc = 0x12345678;
  return facts;
}

/// Keys of the seeds, which are asked for.
inline constexpr std::array seed_names{"a", "all", "b", "long", "nothing", "some", "zz"};

/// Makes all crcs right, by what the footer says, as a reader does.
inline void mend_index(std::span<std::byte> file) {
  const std::size_t pages = file.size() / store::page_bytes;
  if (pages == 0) return;
  std::byte* const footer = file.data() + (pages - 1) * store::page_bytes;
  store::index_facts facts = seed_facts();
  const auto count = static_cast<std::uint32_t>(pages);
  std::memcpy(footer, "noriidx\x01", 8);
  std::memcpy(footer + 16, facts.log.data(), facts.log.size());
  std::memcpy(footer + 32, &facts.segment_id, 8);
  std::memcpy(footer + 96, &count, 4);
  std::memset(footer + 120, 0, store::page_sum_at - 120);
  std::memcpy(&facts.last_frame_crc, footer + 12, 4);
  std::memcpy(&facts.from_offset, footer + 40, 8);
  std::memcpy(&facts.to_offset, footer + 48, 8);
  for (std::uint32_t i = 0; i + 1 < count; ++i) {
    store::seal_page(file.data() + i * store::page_bytes, store::page_seed(facts), i);
  }
  store::seal_page(footer, store::footer_seed(facts.log, facts.segment_id), count - 1);
}

}  // namespace nori::fuzz

#endif
