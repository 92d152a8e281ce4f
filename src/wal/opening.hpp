#ifndef NORI_WAL_OPENING_HPP
#define NORI_WAL_OPENING_HPP

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nori/config.hpp>
#include <nori/recovery_info.hpp>

#include "engine/chain_scanner.hpp"
#include "engine/recovery.hpp"
#include "format/segment_header.hpp"
#include "storage/storage.hpp"
#include "wal/log.hpp"
#include "wal/segment_file_reader.hpp"

namespace nori {

/// Bytes that the staging file holds for a segment.
struct staged_piece {
  std::uint64_t segment_id;
  std::uint64_t offset;  ///< in the segment
  std::size_t from;      ///< in the doubled image of the staging file
  std::size_t bytes;
};

/// Where the log ends.
struct log_end {
  std::uint64_t segment_id = 0;  ///< 0: no segment was begun
  std::uint64_t offset = 0;
  engine::chain_state chain;
};

/// Brings a log from its files to what log works with: opening.cpp finds out what there is and puts
/// it together, mending.cpp repairs what is on disk.
class opening {
 public:
  opening(config options, log::storage_factory make_storage)
      : config_(std::move(options)), make_storage_(std::move(make_storage)) {}

  asio::awaitable<opened_parts> recover();
  recovery_info info;

 private:
  bool writable() const noexcept { return config_.access == access::read_write; }
  bool salvages() const noexcept { return config_.recovery == recovery_mode::salvage; }

  asio::awaitable<void> lock_directory();
  asio::awaitable<void> take_stock();
  asio::awaitable<void> read_identity(bool there, std::optional<format::identity_check> early,
                                      std::vector<engine::segment_file>& files);
  asio::awaitable<void> verify_sealed();
  asio::awaitable<void> verify_sealed_end(const engine::segment_file& sealed,
                                          const format::segment_header& next, bool whole);
  asio::awaitable<void> find_end();
  void follow_staging(const engine::chain_scanner& scanner);
  asio::awaitable<void> salvage_from(std::uint64_t segment_id, std::uint64_t offset,
                                     std::uint64_t bytes, std::string why);
  asio::awaitable<void> cut_aside(std::uint64_t segment_id, std::uint64_t offset,
                                  std::uint64_t bytes);
  asio::awaitable<void> set_aside(std::string name, std::string why);
  asio::awaitable<void> carry_pieces(bool keeps_rest);
  asio::awaitable<void> keep_staged();
  asio::awaitable<void> carry_staged();
  asio::awaitable<void> clear_up();
  asio::awaitable<opened_parts> assemble();
  segment_file_reader reader_of(storage::file_ptr file, const engine::segment_file& of) const;
  static engine::chain_state chain_before(const format::segment_header& header);
  void refuse_damage(const std::string& what) const;

  config config_;
  log::storage_factory make_storage_;
  std::optional<storage::completion_executor> strand_;
  std::shared_ptr<storage::storage> files_;
  format::log_identity identity_;
  bool identity_there_ = false;
  engine::catalog catalog_;
  std::vector<std::byte> staging_;  ///< twice over, so that no frame wraps
  bool keeps_staging_ = false;      ///< salvage: it may hold what is not in the log any more
  std::vector<staged_piece> staged_;
  log_end end_;
  std::uint64_t records_before_ = 0;  ///< in deleted segments
  log_end file_end_;  ///< where the newest segment's file ends, without the staging file
  std::map<std::uint64_t, std::uint64_t> sealed_ends_;
  std::vector<std::string> leftovers_;
};

/// Not 0, and not the one before.
[[nodiscard]] std::uint32_t random_epoch(storage::storage& on, std::uint32_t other_than);

}  // namespace nori

#endif
