#ifndef NORI_STORAGE_REQUEST_LIST_HPP
#define NORI_STORAGE_REQUEST_LIST_HPP

#include <cstddef>
#include <utility>

#include "storage/storage.hpp"

namespace nori::storage {

/// A queue of requests, linked by their own `next`: it owns and allocates nothing.
class request_list {
 public:
  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }

  void push(io_request& request) noexcept {
    request.next = nullptr;
    (last_ == nullptr ? first_ : last_->next) = &request;
    last_ = &request;
  }

  /// Appends `first` and what is linked behind it; returns how many that were.
  std::size_t push_chain(io_request* first) noexcept {
    std::size_t count = 0;
    while (first != nullptr) {
      io_request& request = *first;
      first = request.next;
      push(request);
      ++count;
    }
    return count;
  }

  /// The oldest request, unlinked, or null.
  [[nodiscard]] io_request* pop() noexcept {
    io_request* const request = first_;
    if (request != nullptr) {
      first_ = request->next;
      if (first_ == nullptr) last_ = nullptr;
      request->next = nullptr;
    }
    return request;
  }

  void take(request_list& other) noexcept {
    push_chain(std::exchange(other.first_, nullptr));
    other.last_ = nullptr;
  }

 private:
  io_request* first_ = nullptr;
  io_request* last_ = nullptr;
};

}  // namespace nori::storage

#endif
