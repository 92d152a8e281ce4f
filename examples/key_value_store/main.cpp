// A key-value store on the log: see key_value_store.hpp, or run it.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "key_value_store.hpp"

namespace {

constexpr const char* usage_text =
    "usage: key_value_store DIRECTORY put KEY VALUE\n"
    "       key_value_store DIRECTORY get KEY          ends with 1 where it is not there\n"
    "       key_value_store DIRECTORY remove KEY       the same\n"
    "       key_value_store DIRECTORY list\n"
    "       key_value_store DIRECTORY history KEY      all that was put and removed\n"
    "       key_value_store DIRECTORY count KEY        counts up until it is killed, and prints\n"
    "                                                  each number once it is stored\n";

asio::awaitable<void> print_history(const key_value_store& store, std::string key) {
  nori::reader records = store.history();
  while (const std::optional<nori::entry> each = co_await records.next()) {
    if (each->key != key) continue;
    if (each->tombstone) {
      std::cout << "removed\n";
    } else {
      std::cout << each->value << '\n';
    }
  }
}

asio::awaitable<void> count_up(key_value_store& store, std::string key) {
  const auto found = store.all().find(key);
  unsigned long number = found == store.all().end() ? 0 : std::stoul(found->second);
  while (std::cout) {
    const std::string text = std::to_string(++number);
    co_await store.put(key, text);
    std::cout << text << std::endl;
  }
}

asio::awaitable<int> run(std::vector<std::string> words) {
  key_value_store store = co_await key_value_store::open(words[0]);
  const std::string& action = words[1];
  int result = 0;
  if (action == "list") {
    for (const auto& [key, value] : store.all()) std::cout << key << ' ' << value << '\n';
  } else if (action == "put") {
    co_await store.put(words[2], words[3]);
  } else if (action == "remove") {
    const bool was_there = co_await store.remove(words[2]);
    result = was_there ? 0 : 1;
  } else if (action == "history") {
    co_await print_history(store, words[2]);
  } else if (action == "count") {
    co_await count_up(store, words[2]);
  } else {
    const auto found = store.all().find(words[2]);
    result = found == store.all().end() ? 1 : 0;
    if (result == 0) std::cout << found->second << '\n';
  }
  co_await store.close();
  co_return result;
}

bool is_right(const std::vector<std::string>& words) {
  if (words.size() < 2) return false;
  const std::string& action = words[1];
  if (action == "list") return words.size() == 2;
  if (action == "put") return words.size() == 4;
  return (action == "get" || action == "remove" || action == "history" || action == "count") &&
         words.size() == 3;
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
    int result = 3;
    asio::co_spawn(context, run(words), [&](std::exception_ptr error, int value) {
      if (error) std::rethrow_exception(error);
      result = value;
    });
    context.run();
    return result;
  } catch (const std::exception& error) {
    std::cerr << "key_value_store: " << error.what() << '\n';
    return 3;
  }
}
