#ifndef NORI_TEST_STORAGE_STORAGE_TEST_HPP
#define NORI_TEST_STORAGE_STORAGE_TEST_HPP

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <new>
#include <optional>
#include <ostream>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <nori/testing/simulated_disk.hpp>

#include "format/frame.hpp"
#include "storage/storage.hpp"
#include "storage/storage_source.hpp"
#include "support/allocations.hpp"
#include "support/random_source.hpp"
#include "support/scratch_directory.hpp"

namespace nori::storage::test {

inline constexpr std::size_t block_bytes = format::block_bytes;

/// An implementation that has to keep the promises of storage.hpp.
struct subject {
  std::string name;
  /// Opens `dir`, which lasts until the test ends. The parameters are values: g++ 12 destroys
  /// aggregates twice that are made within a co_await expression.
  std::function<asio::awaitable<std::shared_ptr<storage>>(std::filesystem::path dir,
                                                          completion_executor executor)>
      open;

  friend std::ostream& operator<<(std::ostream& out, const subject& of) { return out << of.name; }
};

inline asio::awaitable<std::shared_ptr<storage>> open_in(std::filesystem::path dir,
                                                         completion_executor executor,
                                                         nori::backend backend,
                                                         bool read_only = false) {
  open_options options;
  options.dir = std::move(dir);
  options.backend = backend;
  options.read_only = read_only;
  return open_storage(std::move(options), std::move(executor));
}

/// On the file system.
inline const std::vector<subject>& real_subjects() {
  static const std::vector<subject> all{
      {"uring",
       [](std::filesystem::path dir, completion_executor executor) {
         return open_in(std::move(dir), std::move(executor), nori::backend::uring);
       }},
      {"threads",
       [](std::filesystem::path dir, completion_executor executor) {
         return open_in(std::move(dir), std::move(executor), nori::backend::threads);
       }},
  };
  return all;
}

inline const std::vector<subject>& subjects() {
  static const std::vector<subject> all = [] {
    std::vector<subject> made = real_subjects();
    made.push_back({"simulated", [](std::filesystem::path dir, completion_executor executor) {
                      // Its directories last as long as a real one, which is to be opened again.
                      static const nori::testing::simulated_disk disk{
                          nori::test::random_source{}()};
                      open_options options;
                      options.dir = std::move(dir);
                      return open_from(disk.storage(), std::move(options), std::move(executor));
                    }});
    return made;
  }();
  return all;
}

using nori::test::allocations;
using nori::test::scratch_directory;

/// Runs what it is given on a strand of a context of its own until the context has nothing to do.
class world {
 public:
  template <typename Function>
  void run(Function coroutine) {
    std::exception_ptr failure;
    bool finished = false;
    asio::co_spawn(strand, std::move(coroutine), [&](std::exception_ptr error) {
      failure = error;
      finished = true;
    });
    context.restart();
    context.run();
    if (failure) std::rethrow_exception(failure);
    if (!finished) throw std::runtime_error("the coroutine never finished");
  }

  void run() {
    context.restart();
    context.run();
  }

  asio::io_context context;
  completion_executor strand = make_completion_executor(context.get_executor());
};

/// A world with a storage that was opened in a scratch directory.
class opened_world : public world {
 public:
  explicit opened_world(const subject& of) {
    run([this, &of]() -> asio::awaitable<void> { on = co_await of.open(scratch.path(), strand); });
  }

  file_ptr open(std::string name, open_mode mode) {
    file_ptr result;
    run([&]() -> asio::awaitable<void> { result = co_await on->open(name, mode); });
    return result;
  }

  scratch_directory scratch;
  std::shared_ptr<storage> on;
};

/// Memory that direct I/O accepts.
class aligned_memory {
 public:
  explicit aligned_memory(std::size_t bytes, std::byte value = {}) : bytes_(bytes) {
    const std::size_t whole = (bytes + block_bytes - 1) / block_bytes * block_bytes;
    data_.reset(static_cast<std::byte*>(std::aligned_alloc(block_bytes, whole)));
    if (!data_) throw std::bad_alloc();
    std::fill_n(data_.get(), bytes, value);
  }
  [[nodiscard]] std::byte* data() const noexcept { return data_.get(); }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_; }
  [[nodiscard]] std::byte* begin() const noexcept { return data(); }
  [[nodiscard]] std::byte* end() const noexcept { return data() + bytes_; }

 private:
  struct freed {
    void operator()(std::byte* at) const noexcept { std::free(at); }
  };
  std::unique_ptr<std::byte, freed> data_;
  std::size_t bytes_;
};

/// Prints the seed; NORI_TEST_SEED repeats a run.
inline std::mt19937_64 seeded_random() {
  const char* const given = std::getenv("NORI_TEST_SEED");
  const std::uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::cout << "seed " << seed << std::endl;
  return std::mt19937_64(seed);
}

}  // namespace nori::storage::test

#endif
