#include "telling.hpp"

#include <boost/asio/post.hpp>

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <stdexcept>

namespace nori::suites {

void telling::opened() {
  lines_ += "o\n";
  flush();
}

void telling::acknowledged(std::size_t lane, std::uint64_t before, std::uint64_t durable_before) {
  auto& known = lanes_.at(lane);
  if (known.acknowledged == before && known.durable == durable_before) return;
  known = {before, durable_before, true};
  soon();
}

void telling::checkpoint(std::uint64_t through) {
  lines_ += "c " + std::to_string(through) + "\n";
  soon();
}

void telling::snapshot(const std::string& stream, std::uint64_t revision) {
  lines_ += "s " + stream + " " + std::to_string(revision) + "\n";
  soon();
}

void telling::failed(const std::string& text) {
  lines_ += "x " + text + "\n";
  flush();
}

void telling::soon() {
  if (posted_) return;
  posted_ = true;
  boost::asio::post(on_, [this] {
    posted_ = false;
    flush();
  });
}

void telling::flush() {
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    if (!lanes_[i].changed) continue;
    lanes_[i].changed = false;
    lines_ += "a " + std::to_string(i) + " " + std::to_string(lanes_[i].acknowledged) + " " +
              std::to_string(lanes_[i].durable) + "\n";
  }
  for (std::size_t at = 0; at < lines_.size();) {
    const ssize_t put = ::write(STDOUT_FILENO, lines_.data() + at, lines_.size() - at);
    if (put < 0 && errno != EINTR) std::_Exit(4);  // nobody listens any more
    if (put > 0) at += static_cast<std::size_t>(put);
  }
  lines_.clear();
}

void telling::end(std::exception_ptr what_failed) {
  if (!what_failed) {
    flush();
    return;
  }
  try {
    std::rethrow_exception(what_failed);
  } catch (const std::exception& error) {
    failed(error.what());
    throw;
  }
}

std::exception_ptr out_of_work(const char* while_it_was) {
  return std::make_exception_ptr(
      std::runtime_error(std::string("the context ran out of work while ") + while_it_was));
}

}  // namespace nori::suites
