#ifndef NORI_TEST_SUITES_ON_DISK_TELLING_HPP
#define NORI_TEST_SUITES_ON_DISK_TELLING_HPP

#include <boost/asio/any_io_executor.hpp>

#include <cstdint>
#include <exception>
#include <string>
#include <vector>

namespace nori::suites {

/// Tells on standard output what was promised, in the lines of `account`. What becomes known in one
/// round of the context is told by one system call, as soon as the round is over.
class telling {
 public:
  telling(boost::asio::any_io_executor on, std::size_t lanes) : on_(std::move(on)), lanes_(lanes) {}

  void opened();
  void acknowledged(std::size_t lane, std::uint64_t before, std::uint64_t durable_before);
  void checkpoint(std::uint64_t through);
  void snapshot(const std::string& stream, std::uint64_t revision);
  void failed(const std::string& text);
  void flush();
  /// Tells the last of it; what failed is told, and thrown.
  void end(std::exception_ptr what_failed);

 private:
  struct lane {
    std::uint64_t acknowledged = 0;
    std::uint64_t durable = 0;
    bool changed = false;
  };
  void soon();

  boost::asio::any_io_executor on_;
  std::vector<lane> lanes_;
  std::string lines_;
  bool posted_ = false;
};

/// What failed where a context had nothing left to do though its coroutines had not ended.
[[nodiscard]] std::exception_ptr out_of_work(const char* while_it_was);

}  // namespace nori::suites

#endif
