#ifndef NORI_TEST_SUITES_ON_DISK_ACCOUNT_HPP
#define NORI_TEST_SUITES_ON_DISK_ACCOUNT_HPP

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace nori::suites {

/// A promise was broken; the text says which.
class broken : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What a writer told of what it was promised. It is kept where the fault that hits the writer's
/// disk can't reach it. Lines of the writer:
///
///     o                      it is open
///     a LANE WRITTEN DURABLE the lane's groups before these numbers are acknowledged, and durable
///     c POSITION             the checkpoint is saved
///     s STREAM REVISION      a snapshot is saved
///     x TEXT                 it failed
class account {
 public:
  explicit account(std::size_t lanes) : lanes_(lanes) {}

  /// More of what was told; a last line that is not complete waits for its rest.
  void take(std::string_view text);
  /// Of another writer: the line that the last one left half told is dropped.
  void begin_writer();

  struct lane {
    std::uint64_t acknowledged = 0;
    std::uint64_t durable = 0;
  };
  [[nodiscard]] const std::vector<lane>& lanes() const { return lanes_; }
  [[nodiscard]] std::uint64_t acknowledged() const;

  /// What a checker found is what has to be there from now on.
  void found(const std::vector<std::uint64_t>& groups);

  bool opened = false;
  std::optional<std::string> failure;
  std::optional<std::uint64_t> checkpoint;
  std::map<std::string, std::uint64_t> snapshots;

 private:
  void take_line(const std::string& line);

  std::vector<lane> lanes_;
  std::string rest_;
};

}  // namespace nori::suites

#endif
