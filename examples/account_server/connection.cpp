#include "connection.hpp"

#include <boost/asio/post.hpp>

#include <vector>

namespace account_server {

namespace {

void stop_one(const std::shared_ptr<connection>& one) {
  asio::post(one->executor, [one] {
    one->stopping = true;
    if (one->stop_waiting) one->stop_waiting();
    one->wake.emit(asio::cancellation_type::terminal);
  });
}

}  // namespace

void connections::add(const std::shared_ptr<connection>& one) {
  const std::lock_guard lock(mutex_);
  all_.insert(one);
  if (stopping_) stop_one(one);
}

void connections::remove(const std::shared_ptr<connection>& one) {
  std::function<void()> call;
  {
    const std::lock_guard lock(mutex_);
    all_.erase(one);
    if (all_.empty()) std::swap(call, when_empty_);
  }
  if (call) call();
}

std::size_t connections::count() const {
  const std::lock_guard lock(mutex_);
  return all_.size();
}

void connections::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  for (const std::shared_ptr<connection>& one : all_) stop_one(one);
}

void connections::when_empty(std::function<void()> call) {
  {
    const std::lock_guard lock(mutex_);
    if (!all_.empty()) {
      when_empty_ = std::move(call);
      return;
    }
  }
  call();
}

}  // namespace account_server
