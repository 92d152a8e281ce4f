// A queue whose consumers keep their own positions: see queue.hpp, or run it.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "queue.hpp"

namespace {

constexpr const char* usage_text =
    "usage: message_queue DIRECTORY\n"
    "           a producer and two consumers, at the same time\n"
    "       message_queue DIRECTORY send TEXT...\n"
    "       message_queue DIRECTORY receive CONSUMER [COUNT]\n"
    "           prints the messages that this consumer is not done with, at most COUNT\n";

handle_message print_as(std::string consumer) {
  return [consumer = std::move(consumer)](std::uint64_t id, std::string_view text) {
    std::cout << consumer << " received " << id << ": " << text << std::endl;
    if (!std::cout) throw std::runtime_error("standard output can't be written to");
  };
}

asio::awaitable<void> produce(nori::event_store& store) {
  for (int i = 1; i <= 10; ++i) {
    const std::vector<std::string> one{"order " + std::to_string(i)};
    co_await send(store, one);
  }
}

// The mailer takes all that is sent. The auditor leaves early, and goes on there next time.
asio::awaitable<void> demonstrate(nori::event_store& store) {
  using namespace asio::experimental::awaitable_operators;
  until ten;
  ten.messages = 10;
  ten.empty = false;
  until four = ten;
  four.messages = 4;
  const handle_message mail = print_as("mailer");
  const handle_message audit = print_as("auditor");
  co_await (produce(store) && receive(store, "mailer", ten, mail) &&
            receive(store, "auditor", four, audit));
}

asio::awaitable<void> run(std::vector<std::string> words) {
  nori::store_config options(words[0]);
  options.log.fsync = nori::fsync_policy::always();
  auto [store, recovered] = co_await nori::event_store::open(options);
  if (words.size() == 1) {
    co_await demonstrate(store);
  } else if (words[1] == "send") {
    const std::vector<std::string> texts(words.begin() + 2, words.end());
    co_await send(store, texts);
  } else {
    until end;
    if (words.size() > 3) end.messages = std::stoul(words[3]);
    const handle_message print = print_as(words[2]);
    co_await receive(store, words[2], end, print);
  }
  co_await store.close();
}

bool is_right(const std::vector<std::string>& words) {
  if (words.size() < 2) return words.size() == 1;
  if (words[1] == "send") return words.size() > 2;
  return words[1] == "receive" && (words.size() == 3 || words.size() == 4);
}

}  // namespace

int main(int argc, char* argv[]) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (!is_right(words)) {
    std::cerr << usage_text;
    return 2;
  }
  try {
    asio::io_context context;
    asio::co_spawn(context, run(words), [](std::exception_ptr error) {
      if (error) std::rethrow_exception(error);
    });
    context.run();
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "message_queue: " << error.what() << '\n';
    return 3;
  }
}
