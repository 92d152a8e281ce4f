#ifndef NORI_STORE_TURNS_HPP
#define NORI_STORE_TURNS_HPP

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <string>
#include <utility>

namespace nori {

namespace asio = boost::asio;

namespace store {

/// One coroutine at a time for each key, in the order in which they came.
///
/// @par Thread safety
/// Safe to use from any thread. May be destroyed before the turns that it gave.
class turns {
 public:
  turns();
  ~turns();
  turns(const turns&) = delete;
  turns& operator=(const turns&) = delete;

  class state;
  class waiting;

  /// Ends when it is destroyed.
  class turn {
   public:
    explicit turn(std::shared_ptr<waiting> of) noexcept;
    turn(turn&& other) noexcept;
    turn& operator=(turn&&) = delete;
    ~turn();

   private:
    std::shared_ptr<waiting> of_;
  };

  /// Waits until it is this coroutine's turn.
  /// @par Cancellation
  /// Every type: operation_aborted.
  [[nodiscard]] asio::awaitable<turn> take(std::string key);

 private:
  std::shared_ptr<state> state_;
};

}  // namespace store

}  // namespace nori

#endif
