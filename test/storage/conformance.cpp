// What storage.hpp promises, of every implementation: nothing here looks behind the interface.

#include <boost/asio/post.hpp>
#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <deque>
#include <thread>

#include "storage/storage_test.hpp"

namespace data = boost::unit_test::data;

namespace nori::storage::test {
namespace {

std::byte pattern_at(std::size_t at) noexcept {
  return static_cast<std::byte>((at * 2654435761U) >> 13);
}

void fill_with_pattern(std::byte* to, std::size_t bytes, std::size_t from) noexcept {
  for (std::size_t i = 0; i < bytes; ++i) to[i] = pattern_at(from + i);
}

io_request write_of(file_ptr to, std::uint64_t offset, std::byte* from, std::size_t bytes) {
  io_request request;
  request.kind = io_kind::write;
  request.piece_count = 1;
  request.pieces[0] = {from, bytes};
  request.offset = offset;
  request.target = std::move(to);
  return request;
}

// The errno of a call that is expected to throw one, and whether the text names `name`.
template <typename Coroutine>
int error_of(world& in, Coroutine coroutine, const std::string& name) {
  try {
    in.run(std::move(coroutine));
  } catch (const boost::system::system_error& error) {
    BOOST_TEST(std::string(error.what()).find(name) != std::string::npos, error.what());
    if (error.code().category() == boost::system::system_category()) return error.code().value();
    return -1;
  }
  return 0;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(conformance)

BOOST_DATA_TEST_CASE(what_was_written_is_read_back, data::make(subjects()), tried) {
  auto random = seeded_random();
  const auto below = [&](std::size_t end) { return static_cast<std::size_t>(random() % end); };
  opened_world in(tried);
  constexpr std::size_t blocks = 64;
  aligned_memory model(blocks * block_bytes);
  const file_ptr file = in.open("file", open_mode::create);
  in.run([&]() -> asio::awaitable<void> {
    co_await write_at(*in.on, file, 0, model.data(), model.size(), false, "file");
  });

  for (int round = 0; round < 200; ++round) {
    // Up to three pieces of whole blocks, from anywhere, to one place.
    io_request request;
    request.kind = io_kind::write;
    request.durable = round % 3 == 0;
    request.piece_count = static_cast<std::uint8_t>(1 + below(3));
    request.target = file;
    std::vector<aligned_memory> pieces;
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < request.piece_count; ++i) {
      pieces.emplace_back((1 + below(4)) * block_bytes);
      for (std::byte& each : pieces.back()) each = static_cast<std::byte>(random());
      request.pieces[i] = {pieces.back().data(), pieces.back().size()};
      bytes += pieces.back().size();
    }
    request.offset = below(blocks - bytes / block_bytes + 1) * block_bytes;
    std::byte* to = model.data() + request.offset;
    for (const auto& piece : pieces) to = std::copy(piece.begin(), piece.end(), to);

    std::int64_t result = 0;
    in.run([&]() -> asio::awaitable<void> { result = co_await perform(*in.on, request); });
    BOOST_TEST(result == static_cast<std::int64_t>(bytes));
  }

  for (const open_mode mode : {open_mode::read, open_mode::read_direct, open_mode::write}) {
    const file_ptr again = in.open("file", mode);
    aligned_memory found(model.size());
    for (int round = 0; round < 50; ++round) {
      const std::size_t from = below(blocks) * block_bytes;
      const std::size_t bytes = (1 + below(blocks - from / block_bytes)) * block_bytes;
      std::fill(found.begin(), found.end(), std::byte{0xee});
      std::size_t got = 0;
      in.run([&]() -> asio::awaitable<void> {
        got = co_await read_at(*in.on, again, from, found.data(), bytes, "file");
      });
      BOOST_TEST(got == bytes);
      BOOST_TEST(std::memcmp(found.data(), model.data() + from, bytes) == 0);
    }
    // In pieces.
    io_request request;
    request.piece_count = 3;
    request.pieces = {iovec{found.data(), block_bytes},
                      iovec{found.data() + block_bytes, 2 * block_bytes},
                      iovec{found.data() + 3 * block_bytes, block_bytes}};
    request.offset = 5 * block_bytes;
    request.target = again;
    std::int64_t result = 0;
    in.run([&]() -> asio::awaitable<void> { result = co_await perform(*in.on, request); });
    BOOST_TEST(result == static_cast<std::int64_t>(4 * block_bytes));
    BOOST_TEST(std::memcmp(found.data(), model.data() + 5 * block_bytes, 4 * block_bytes) == 0);
  }
}

BOOST_DATA_TEST_CASE(a_read_ends_with_the_file, data::make(subjects()), tried) {
  opened_world in(tried);
  aligned_memory written(2 * block_bytes);
  fill_with_pattern(written.data(), written.size(), 0);
  {
    const file_ptr file = in.open("file", open_mode::create);
    in.run([&]() -> asio::awaitable<void> {
      co_await write_at(*in.on, file, 0, written.data(), written.size(), true, "file");
      co_await in.on->truncate(file, 5000);
      co_await sync(*in.on, file, "file");
    });
  }
  for (const open_mode mode : {open_mode::read, open_mode::read_direct}) {
    const file_ptr file = in.open("file", mode);
    aligned_memory found(4 * block_bytes);
    for (const auto& [offset, expected] :
         {std::pair<std::size_t, std::size_t>{0, 5000}, {block_bytes, 904}, {2 * block_bytes, 0}}) {
      std::size_t got = 1;
      in.run([&]() -> asio::awaitable<void> {
        got = co_await read_at(*in.on, file, offset, found.data(), found.size(), "file");
      });
      BOOST_TEST(got == expected);
      BOOST_TEST(std::memcmp(found.data(), written.data() + offset, got) == 0);
    }
  }
}

BOOST_DATA_TEST_CASE(what_read_cached_gives_is_what_the_file_holds, data::make(subjects()), tried) {
  opened_world in(tried);
  constexpr std::size_t bytes = 8 * block_bytes;
  aligned_memory written(bytes);
  fill_with_pattern(written.data(), written.size(), 0);
  {
    const file_ptr file = in.open("file", open_mode::create);
    in.run([&]() -> asio::awaitable<void> {
      co_await write_at(*in.on, file, 0, written.data(), written.size(), true, "file");
      co_await in.on->truncate(file, bytes - 100);
    });
    aligned_memory found(bytes);
    if (file->direct()) BOOST_TEST(in.on->read_cached(file, 0, found.data(), found.size()) == 0U);
  }
  const file_ptr file = in.open("file", open_mode::read);
  for (const bool warm : {false, true}) {
    std::vector<std::byte> found(2 * bytes);
    if (warm) {
      in.run([&]() -> asio::awaitable<void> {
        co_await read_at(*in.on, file, 0, found.data(), found.size(), "file");
      });
    }
    for (const std::size_t offset : {std::size_t{0}, std::size_t{1}, block_bytes, bytes - 101,
                                     bytes - 100, bytes, 2 * bytes}) {
      for (const std::size_t wanted : {std::size_t{0}, std::size_t{1}, 2 * block_bytes, bytes}) {
        std::fill(found.begin(), found.end(), std::byte{0xee});
        const std::size_t there = offset < bytes - 100 ? bytes - 100 - offset : 0;
        const std::size_t got = in.on->read_cached(file, offset, found.data(), wanted);
        BOOST_TEST(got <= std::min(there, wanted));
        BOOST_TEST(std::memcmp(found.data(), written.data() + std::min(offset, bytes), got) == 0);
        BOOST_TEST((found[wanted] == std::byte{0xee}));
      }
    }
  }
}

// Together they give what each gives alone: more of them than a ring takes, some of them of a
// direct file, some at and behind the end.
BOOST_DATA_TEST_CASE(reads_of_the_page_cache_may_be_made_together, data::make(subjects()), tried) {
  opened_world in(tried);
  constexpr std::size_t bytes = 40 * block_bytes;
  aligned_memory written(bytes);
  fill_with_pattern(written.data(), written.size(), 0);
  const file_ptr direct = in.open("file", open_mode::create);
  in.run([&]() -> asio::awaitable<void> {
    co_await write_at(*in.on, direct, 0, written.data(), written.size(), true, "file");
    co_await in.on->truncate(direct, bytes - 100);
  });
  const file_ptr file = in.open("file", open_mode::read);
  std::vector<std::byte> all(bytes);
  in.run([&]() -> asio::awaitable<void> {
    co_await read_at(*in.on, file, 0, all.data(), all.size(), "file");
  });
  for (const std::size_t count :
       {std::size_t{0}, std::size_t{1}, std::size_t{64}, std::size_t{65}, std::size_t{300}}) {
    constexpr std::size_t wanted = 700;
    std::vector<std::byte> found(count * (wanted + 1), std::byte{0xee});
    std::vector<cached_read> reads(count);
    for (std::size_t i = 0; i < count; ++i) {
      reads[i].from = i % 10 == 3 && direct->direct() ? direct : file;
      reads[i].offset = i * 611;
      reads[i].to = found.data() + i * (wanted + 1);
      reads[i].bytes = wanted;
    }
    in.on->read_all_cached(reads);
    for (std::size_t i = 0; i < count; ++i) {
      std::vector<std::byte> alone(wanted);
      const std::size_t got =
          in.on->read_cached(reads[i].from, reads[i].offset, alone.data(), wanted);
      BOOST_TEST(reads[i].got == got);
      const auto* const its = static_cast<const std::byte*>(reads[i].to);
      BOOST_TEST(std::memcmp(its, alone.data(), std::min(got, reads[i].got)) == 0);
      BOOST_TEST((its[wanted] == std::byte{0xee}));
    }
  }
}

BOOST_DATA_TEST_CASE(many_requests_are_waited_for_at_once, data::make(subjects()), tried) {
  opened_world in(tried);
  constexpr std::size_t count = 300;  // more than the queue holds
  aligned_memory memory(count * block_bytes);
  fill_with_pattern(memory.data(), memory.size(), 0);
  const file_ptr file = in.open("file", open_mode::create);
  const file_ptr read_only = in.open("file", open_mode::read);
  std::vector<io_request> requests;
  aligned_memory found(memory.size());
  in.run([&]() -> asio::awaitable<void> {
    for (std::size_t i = 0; i < count; ++i) {
      requests.push_back(
          write_of(file, i * block_bytes, memory.data() + i * block_bytes, block_bytes));
    }
    co_await perform_all(*in.on, requests);
    for (const io_request& each : requests) {
      BOOST_TEST(each.result == static_cast<std::int64_t>(block_bytes));
    }
    // Used again; each has a result of its own: the data, the end of the file, an error.
    for (std::size_t i = 0; i < count; ++i) {
      io_request& each = requests[i];
      each = write_of(read_only, i * block_bytes, found.data() + i * block_bytes, block_bytes);
      if (i % 3 != 0) each.kind = io_kind::read;
      if (i % 3 == 1) each.offset += count * block_bytes;
    }
    co_await perform_all(*in.on, requests);
    co_await perform_all(*in.on, {});
  });
  for (std::size_t i = 0; i < count; ++i) {
    const std::int64_t expected =
        i % 3 == 0 ? -EBADF : (i % 3 == 1 ? 0 : static_cast<std::int64_t>(block_bytes));
    BOOST_TEST(requests[i].result == expected);
    if (i % 3 != 2) continue;
    BOOST_TEST(std::memcmp(found.data() + i * block_bytes, memory.data() + i * block_bytes,
                           block_bytes) == 0);
  }
}

BOOST_DATA_TEST_CASE(a_failed_request_says_why, data::make(subjects()), tried) {
  opened_world in(tried);
  in.open("file", open_mode::create);
  const file_ptr file = in.open("file", open_mode::read);
  aligned_memory memory(block_bytes);
  const int error = error_of(
      in,
      [&]() -> asio::awaitable<void> {
        co_await write_at(*in.on, file, 0, memory.data(), memory.size(), false, "file");
      },
      "file");
  BOOST_TEST(error == EBADF);
}

BOOST_DATA_TEST_CASE(more_requests_than_the_queue_holds_all_complete_once, data::make(subjects()),
                     tried) {
  opened_world in(tried);
  constexpr std::size_t count = 1000;
  const file_ptr file = in.open("file", open_mode::create);
  aligned_memory memory(count * block_bytes);
  fill_with_pattern(memory.data(), memory.size(), 0);

  std::vector<int> completed(count, 0);
  std::deque<io_request> requests;
  for (std::size_t i = 0; i < count; ++i) {
    io_request& request = requests.emplace_back(
        write_of(file, i * block_bytes, memory.data() + i * block_bytes, block_bytes));
    request.owner = &completed[i];
    request.complete = [](io_request& done) noexcept {
      if (done.result == static_cast<std::int64_t>(block_bytes)) ++*static_cast<int*>(done.owner);
    };
  }
  // One chain of 900, ten of ten.
  for (std::size_t i = 0; i + 1 < 900; ++i) requests[i].next = &requests[i + 1];
  for (std::size_t i = 900; i + 1 < count; ++i) {
    if (i % 10 != 9) requests[i].next = &requests[i + 1];
  }
  in.on->start(requests[0]);
  for (std::size_t i = 900; i < count; i += 10) in.on->start(requests[i]);
  in.run();
  BOOST_TEST(std::count(completed.begin(), completed.end(), 1) == static_cast<int>(count));

  aligned_memory found(memory.size());
  in.run([&]() -> asio::awaitable<void> {
    co_await sync(*in.on, file, "file");
    co_await read_at(*in.on, file, 0, found.data(), found.size(), "file");
  });
  BOOST_TEST(std::memcmp(found.data(), memory.data(), memory.size()) == 0);
}

BOOST_DATA_TEST_CASE(completions_come_on_the_executor_and_never_within_start,
                     data::make(subjects()), tried) {
  opened_world in(tried);
  const file_ptr file = in.open("file", open_mode::create);
  aligned_memory memory(block_bytes);
  in.run([&]() -> asio::awaitable<void> {
    co_await write_at(*in.on, file, 0, memory.data(), memory.size(), false, "file");
  });

  // Reads of cached bytes, which may finish while they are being started.
  struct state {
    opened_world* in;
    io_request request;
    int left = 20000;
    bool starting = false;
    bool was_inline = false;
    bool was_elsewhere = false;

    void start() {
      starting = true;
      in->on->start(request);
      starting = false;
    }
  } all{&in, write_of(in.open("file", open_mode::read), 0, memory.data(), memory.size())};
  all.request.kind = io_kind::read;
  all.request.owner = &all;
  all.request.complete = [](io_request& done) noexcept {
    auto& at = *static_cast<state*>(done.owner);
    at.was_inline |= at.starting;
    at.was_elsewhere |= !at.in->strand.running_in_this_thread();
    if (--at.left != 0) at.start();
  };
  all.start();
  BOOST_TEST(all.left == 20000);
  in.run();
  BOOST_TEST(all.left == 0);
  BOOST_TEST(!all.was_inline);
  BOOST_TEST(!all.was_elsewhere);
}

BOOST_DATA_TEST_CASE(threads_that_start_requests_and_exit_lose_none, data::make(subjects()),
                     tried) {
  opened_world in(tried);
  constexpr std::size_t starters = 4;
  constexpr std::size_t threads_each = 20;
  constexpr std::size_t requests_each = 8;
  constexpr std::size_t count = starters * threads_each * requests_each;
  const file_ptr file = in.open("file", open_mode::create);
  in.run(
      [&]() -> asio::awaitable<void> { co_await in.on->allocate(file, 0, count * block_bytes); });
  aligned_memory memory(block_bytes, std::byte{7});

  // Not atomic: the strand is what keeps completions apart.
  struct state {
    std::size_t good = 0;
    std::size_t bad = 0;
  } seen;
  std::deque<io_request> requests;
  for (std::size_t i = 0; i < count; ++i) {
    io_request& request =
        requests.emplace_back(write_of(file, i * block_bytes, memory.data(), block_bytes));
    request.durable = i % 2 == 0;
    if (i % 16 == 15) request.kind = io_kind::sync;
    request.owner = &seen;
    request.complete = [](io_request& done) noexcept {
      const std::int64_t expected = done.kind == io_kind::sync ? 0 : block_bytes;
      auto& at = *static_cast<state*>(done.owner);
      ++(done.result == expected ? at.good : at.bad);
    };
  }

  auto working = asio::make_work_guard(in.context);
  in.context.restart();
  std::thread runs_too([&] { in.context.run(); });
  std::vector<std::thread> all;
  for (std::size_t s = 0; s < starters; ++s) {
    all.emplace_back([&, s] {
      for (std::size_t t = 0; t < threads_each; ++t) {
        std::thread([&, at = (s * threads_each + t) * requests_each] {
          for (std::size_t i = 0; i < requests_each; ++i) in.on->start(requests[at + i]);
        }).join();
      }
    });
  }
  for (auto& thread : all) thread.join();
  working.reset();
  in.context.run();
  runs_too.join();
  BOOST_TEST(seen.good == count);
  BOOST_TEST(seen.bad == 0U);
}

BOOST_DATA_TEST_CASE(an_idle_storage_keeps_no_context_running, data::make(subjects()), tried) {
  opened_world in(tried);
  const file_ptr file = in.open("file", open_mode::create);
  aligned_memory memory(block_bytes);
  for (int round = 0; round < 3; ++round) {
    in.run([&]() -> asio::awaitable<void> {
      co_await write_at(*in.on, file, 0, memory.data(), memory.size(), true, "file");
    });  // returns
    in.context.restart();
    BOOST_TEST(in.context.poll() == 0U);
    BOOST_TEST(in.context.stopped());
  }
}

BOOST_DATA_TEST_CASE(an_operation_in_flight_keeps_its_file_open, data::make(subjects()), tried) {
  opened_world in(tried);
  aligned_memory memory(1 << 20);
  fill_with_pattern(memory.data(), memory.size(), 0);
  struct state {
    std::int64_t result = 0;
    std::weak_ptr<file> watched;
  } seen;
  io_request request =
      write_of(in.open("file", open_mode::create), 0, memory.data(), memory.size());
  request.owner = &seen;
  request.complete = [](io_request& done) noexcept {
    auto& at = *static_cast<state*>(done.owner);
    at.result = done.result;
    done.target.reset();
  };
  seen.watched = request.target;
  in.on->start(request);
  BOOST_TEST(!seen.watched.expired());
  in.run();
  BOOST_TEST(seen.result == static_cast<std::int64_t>(memory.size()));
  BOOST_TEST(seen.watched.expired());

  const file_ptr file = in.open("file", open_mode::read);
  aligned_memory found(memory.size());
  in.run([&]() -> asio::awaitable<void> {
    co_await read_at(*in.on, file, 0, found.data(), found.size(), "file");
  });
  BOOST_TEST(std::memcmp(found.data(), memory.data(), memory.size()) == 0);
}

BOOST_DATA_TEST_CASE(allocate_extends_with_zeros_and_keeps_what_is_there, data::make(subjects()),
                     tried) {
  opened_world in(tried);
  const file_ptr file = in.open("file", open_mode::create);
  aligned_memory memory(block_bytes, std::byte{9});
  aligned_memory found(64 * block_bytes, std::byte{1});
  std::uint64_t before = 0;
  std::uint64_t after = 0;
  std::size_t got = 0;
  in.run([&]() -> asio::awaitable<void> {
    co_await write_at(*in.on, file, 0, memory.data(), memory.size(), false, "file");
    before = co_await in.on->size(file);
    co_await in.on->allocate(file, 0, 64 * block_bytes);
    co_await in.on->allocate(file, 0, 8 * block_bytes);  // never shrinks
    after = co_await in.on->size(file);
    got = co_await read_at(*in.on, file, 0, found.data(), found.size(), "file");
  });
  BOOST_TEST(before == block_bytes);
  BOOST_TEST(after == 64 * block_bytes);
  BOOST_TEST(got == found.size());
  BOOST_TEST(std::count(found.begin(), found.begin() + block_bytes, std::byte{9}) ==
             static_cast<int>(block_bytes));
  BOOST_TEST(std::count(found.begin() + block_bytes, found.end(), std::byte{0}) ==
             static_cast<int>(63 * block_bytes));
}

BOOST_DATA_TEST_CASE(names_are_listed_renamed_and_removed, data::make(subjects()), tried) {
  opened_world in(tried);
  aligned_memory memory(block_bytes);
  {
    const file_ptr a = in.open("a", open_mode::create);
    const file_ptr b = in.open("b", open_mode::create);
    in.run([&]() -> asio::awaitable<void> {
      co_await write_at(*in.on, b, 0, memory.data(), memory.size(), false, "b");
    });
  }
  const auto listed = [&] {
    std::vector<directory_entry> entries;
    in.run([&]() -> asio::awaitable<void> { entries = co_await in.on->list(); });
    std::string text;
    std::sort(entries.begin(), entries.end(),
              [](const auto& x, const auto& y) { return x.name < y.name; });
    for (const auto& each : entries) {
      text += each.name + ':' + std::to_string(each.bytes) + (each.regular ? " " : "? ");
    }
    return text;
  };
  BOOST_TEST(listed() == "a:0 b:4096 ");
  in.run([&]() -> asio::awaitable<void> {
    co_await in.on->rename("b", "c");
    co_await in.on->sync_directory();
  });
  BOOST_TEST(listed() == "a:0 c:4096 ");
  in.run([&]() -> asio::awaitable<void> { co_await in.on->rename("c", "a"); });
  BOOST_TEST(listed() == "a:4096 ");
  in.run([&]() -> asio::awaitable<void> {
    co_await in.on->remove("a");
    co_await in.on->sync_directory();
  });
  BOOST_TEST(listed() == "");
}

BOOST_DATA_TEST_CASE(errors_carry_the_systems_code_and_the_name, data::make(subjects()), tried) {
  opened_world in(tried);
  in.open("there", open_mode::create);
  const auto opening = [&](std::string name, open_mode mode) {
    return error_of(in, [&]() -> asio::awaitable<void> { co_await in.on->open(name, mode); }, name);
  };
  BOOST_TEST(opening("missing", open_mode::read) == ENOENT);
  BOOST_TEST(opening("missing", open_mode::read_direct) == ENOENT);
  BOOST_TEST(opening("missing", open_mode::write) == ENOENT);
  BOOST_TEST(opening("there", open_mode::create) == EEXIST);
  const int removing = error_of(
      in, [&]() -> asio::awaitable<void> { co_await in.on->remove("missing"); }, "missing");
  BOOST_TEST(removing == ENOENT);
  const int renaming = error_of(
      in, [&]() -> asio::awaitable<void> { co_await in.on->rename("missing", "x"); }, "missing");
  BOOST_TEST(renaming == ENOENT);
}

BOOST_DATA_TEST_CASE(a_name_is_never_a_path, data::make(subjects()), tried) {
  opened_world in(tried);
  in.open("there", open_mode::create);
  for (const std::string& name :
       {std::string(""), std::string("."), std::string(".."), std::string("../there"),
        std::string("./there"), std::string("x/../there"), std::string("/etc/passwd"),
        std::string("there\0x", 7)}) {
    for (const open_mode mode :
         {open_mode::read, open_mode::read_direct, open_mode::write, open_mode::create}) {
      const int error =
          error_of(in, [&]() -> asio::awaitable<void> { co_await in.on->open(name, mode); }, "");
      BOOST_TEST(error != 0, "opened " << name);
    }
    BOOST_TEST(0 !=
               error_of(in, [&]() -> asio::awaitable<void> { co_await in.on->remove(name); }, ""));
    BOOST_TEST(0 != error_of(
                        in,
                        [&]() -> asio::awaitable<void> { co_await in.on->rename("there", name); },
                        ""));
    BOOST_TEST(
        0 !=
        error_of(in, [&]() -> asio::awaitable<void> { co_await in.on->rename(name, "x"); }, ""));
    if (!name.empty()) {
      BOOST_TEST(0 != error_of(
                          in,
                          [&]() -> asio::awaitable<void> { co_await in.on->map_ring(name, 65536); },
                          ""));
    }
    BOOST_TEST(0 !=
               error_of(in, [&]() -> asio::awaitable<void> { co_await in.on->lock(name); }, ""));
  }
}

BOOST_DATA_TEST_CASE(ring_memory_is_contiguous_across_its_end, data::make(subjects()), tried) {
  opened_world in(tried);
  for (const std::string name : {"", "staging"}) {
    for (const std::size_t bytes : {std::size_t{1} << 16, std::size_t{1} << 21}) {
      std::unique_ptr<ring_memory> ring;
      in.run([&]() -> asio::awaitable<void> { ring = co_await in.on->map_ring(name, bytes); });
      BOOST_TEST_REQUIRE(ring->bytes() == bytes);
      BOOST_TEST(std::count(ring->data(), ring->data() + 2 * bytes, std::byte{0}) ==
                 static_cast<std::ptrdiff_t>(2 * bytes));
      fill_with_pattern(ring->data() + bytes - 100, 200, 0);
      for (std::size_t i = 0; i < 100; ++i) {
        BOOST_TEST((ring->data()[i] == pattern_at(100 + i)));
        BOOST_TEST((ring->data()[2 * bytes - 100 + i] == pattern_at(i)));
      }
      if (name.empty()) continue;
      // The file shows it at once.
      const file_ptr file = in.open(name, open_mode::read);
      std::vector<std::byte> found(bytes + 1);
      std::size_t got = 0;
      in.run([&]() -> asio::awaitable<void> {
        got = co_await read_at(*in.on, file, 0, found.data(), found.size(), name);
      });
      BOOST_TEST(got == bytes);
      BOOST_TEST(std::memcmp(found.data(), ring->data(), bytes) == 0);
    }
  }
  for (const std::size_t bytes :
       {std::size_t{0}, std::size_t{1} << 15, (std::size_t{1} << 16) + 4096}) {
    BOOST_TEST(error_of(
                   in, [&]() -> asio::awaitable<void> { co_await in.on->map_ring("", bytes); },
                   std::to_string(bytes)) == -1);
  }
}

BOOST_DATA_TEST_CASE(direct_io_works_from_ring_memory, data::make(subjects()), tried) {
  opened_world in(tried);
  const file_ptr file = in.open("file", open_mode::create);
  for (const std::string name : {"", "staging"}) {
    std::unique_ptr<ring_memory> ring;
    constexpr std::size_t bytes = 1 << 16;
    aligned_memory found(2 * block_bytes);
    in.run([&]() -> asio::awaitable<void> {
      ring = co_await in.on->map_ring(name, bytes);
      fill_with_pattern(ring->data() + bytes - block_bytes, 2 * block_bytes, 77);
      co_await write_at(*in.on, file, 0, ring->data() + bytes - block_bytes, 2 * block_bytes, true,
                        "file");
      co_await read_at(*in.on, file, 0, found.data(), found.size(), "file");
    });
    BOOST_TEST(std::memcmp(found.data(), ring->data() + bytes - block_bytes, found.size()) == 0);
  }
}

BOOST_DATA_TEST_CASE(a_lock_excludes_every_other_opener_until_it_is_given_up,
                     data::make(subjects()), tried) {
  opened_world in(tried);
  const auto lock = [&](storage& on) {
    bool got = false;
    in.run([&]() -> asio::awaitable<void> { got = co_await on.lock("lock"); });
    return got;
  };
  const auto open_again = [&] {
    std::shared_ptr<storage> opened;
    in.run([&]() -> asio::awaitable<void> {
      opened = co_await tried.open(in.scratch.path(), in.strand);
    });
    return opened;
  };
  const auto other = open_again();
  BOOST_TEST(lock(*in.on));
  BOOST_TEST(!lock(*other));
  in.run([&]() -> asio::awaitable<void> { co_await in.on->unlock(); });
  BOOST_TEST(lock(*other));
  BOOST_TEST(!lock(*in.on));
  other->shutdown();
  BOOST_TEST(lock(*in.on));
  in.on.reset();
  BOOST_TEST(lock(*open_again()));
}

BOOST_DATA_TEST_CASE(a_coroutine_resumes_on_its_own_executor, data::make(subjects()), tried) {
  opened_world in(tried);
  asio::io_context elsewhere;
  auto working = asio::make_work_guard(in.context);
  in.context.restart();
  std::thread runs_storage([&] { in.context.run(); });
  aligned_memory memory(block_bytes);
  std::exception_ptr failure;
  bool stayed = true;
  asio::co_spawn(
      elsewhere,
      [&]() -> asio::awaitable<void> {
        const auto here = std::this_thread::get_id();
        const file_ptr file = co_await in.on->open("file", open_mode::create);
        stayed &= std::this_thread::get_id() == here;
        for (int i = 0; i < 100; ++i) {
          co_await write_at(*in.on, file, 0, memory.data(), memory.size(), false, "file");
          stayed &= std::this_thread::get_id() == here;
        }
        co_await in.on->sync_directory();
        stayed &= std::this_thread::get_id() == here;
      },
      [&](std::exception_ptr error) { failure = error; });
  elsewhere.run();
  working.reset();
  runs_storage.join();
  BOOST_TEST(!failure);
  BOOST_TEST(stayed);
}

// A request that counts which of its two ends it came to.
struct counted_request {
  io_request request;
  std::atomic<int> completed{0};
  std::atomic<int> abandoned{0};

  counted_request(const file_ptr& target, const aligned_memory& memory)
      : request(write_of(target, 0, memory.data(), memory.size())) {
    request.durable = true;
    request.owner = this;
    request.complete = [](io_request& done) noexcept {
      ++static_cast<counted_request*>(done.owner)->completed;
    };
    request.abandon = [](io_request& dropped) noexcept {
      ++static_cast<counted_request*>(dropped.owner)->abandoned;
    };
  }
};

BOOST_DATA_TEST_CASE(shutdown_ends_every_request_and_later_ones, data::make(subjects()), tried) {
  for (const bool destroy_context : {false, true}) {
    for (const int polls : {0, 1, 5}) {
      auto in = std::make_unique<world>();
      const scratch_directory scratch;
      aligned_memory memory(block_bytes);
      std::shared_ptr<storage> on;
      file_ptr file;
      in->run([&]() -> asio::awaitable<void> {
        on = co_await tried.open(scratch.path(), in->strand);
        file = co_await on->open("file", open_mode::create);
      });
      std::deque<counted_request> requests;
      for (int i = 0; i < 300; ++i) {
        on->start(requests.emplace_back(file, memory).request);
      }
      in->context.restart();
      for (int i = 0; i < polls; ++i) in->context.run_one();
      if (destroy_context) {
        in.reset();
      } else {
        on->shutdown();
      }
      int completed = 0;
      for (const auto& each : requests) {
        BOOST_TEST(each.completed + each.abandoned == 1);
        completed += each.completed;
      }
      // Nothing comes later.
      if (in) in->run();
      for (const auto& each : requests) completed -= each.completed;
      BOOST_TEST(completed == 0);

      counted_request late(file, memory);
      on->start(late.request);
      BOOST_TEST(late.completed == 0);
      BOOST_TEST(late.abandoned == 1);
    }
  }
}

BOOST_DATA_TEST_CASE(storage_can_go_from_within_a_completion, data::make(subjects()), tried) {
  opened_world in(tried);
  aligned_memory memory(block_bytes);
  const file_ptr file = in.open("file", open_mode::create);
  struct state {
    std::shared_ptr<storage>* on;
    int completed = 0;
    int abandoned = 0;
  } seen{&in.on};
  std::deque<io_request> requests;
  for (int i = 0; i < 200; ++i) {
    io_request& request = requests.emplace_back(write_of(file, 0, memory.data(), memory.size()));
    request.owner = &seen;
    request.complete = [](io_request& done) noexcept {
      auto& at = *static_cast<state*>(done.owner);
      ++at.completed;
      at.on->reset();
    };
    request.abandon = [](io_request& dropped) noexcept {
      ++static_cast<state*>(dropped.owner)->abandoned;
    };
    if (i != 0) requests[static_cast<std::size_t>(i) - 1].next = &request;
  }
  in.on->start(requests.front());
  in.run();
  BOOST_TEST(!in.on);
  BOOST_TEST(seen.completed == 1);
  BOOST_TEST(seen.abandoned == 199);
}

BOOST_DATA_TEST_CASE(shutdown_waits_for_a_completion_that_runs_elsewhere, data::make(subjects()),
                     tried) {
  opened_world in(tried);
  aligned_memory memory(block_bytes);
  const file_ptr file = in.open("file", open_mode::create);
  struct state {
    std::atomic<bool> inside{false};
    std::atomic<bool> left{false};
  } seen;
  io_request request = write_of(file, 0, memory.data(), memory.size());
  request.owner = &seen;
  request.complete = [](io_request& done) noexcept {
    auto& at = *static_cast<state*>(done.owner);
    at.inside = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    at.left = true;
  };
  in.on->start(request);
  std::thread running([&] { in.run(); });
  while (!seen.inside) std::this_thread::yield();
  in.on->shutdown();
  BOOST_TEST(seen.left);
  running.join();
}

BOOST_DATA_TEST_CASE(coroutines_that_wait_at_the_end_are_destroyed_and_not_resumed,
                     data::make(subjects()), tried) {
  for (const bool destroy_context : {true, false}) {
    for (const int polls : {0, 1, 3, 10}) {
      const scratch_directory scratch;
      auto in = std::make_unique<world>();
      std::shared_ptr<storage> on;
      file_ptr file;
      in->run([&]() -> asio::awaitable<void> {
        on = co_await tried.open(scratch.path(), in->strand);
        file = co_await on->open("file", open_mode::create);
      });
      auto memory = std::make_shared<aligned_memory>(16 * block_bytes);
      int frames = 0;
      struct counting {
        int* frames;
        explicit counting(int& count) : frames(&count) { ++*frames; }
        ~counting() { --*frames; }
      };
      const auto writes = [](std::shared_ptr<storage> to, file_ptr target,
                             std::shared_ptr<aligned_memory> from,
                             int& count) -> asio::awaitable<void> {
        const counting alive(count);
        while (true) co_await write_at(*to, target, 0, from->data(), from->size(), true, "file");
      };
      const auto writes_many = [](std::shared_ptr<storage> to, file_ptr target,
                                  std::shared_ptr<aligned_memory> from,
                                  int& count) -> asio::awaitable<void> {
        const counting alive(count);
        std::vector<io_request> many(16);
        while (true) {
          for (std::size_t i = 0; i < many.size(); ++i) {
            many[i] = write_of(target, i * block_bytes, from->data(), block_bytes);
            many[i].durable = i % 2 == 0;
          }
          co_await perform_all(*to, many);
        }
      };
      const auto lists = [](std::shared_ptr<storage> of, int& count) -> asio::awaitable<void> {
        const counting alive(count);
        while (true) {
          co_await of->list();
          co_await of->sync_directory();
        }
      };
      const auto opens = [](std::shared_ptr<storage> of, int& count) -> asio::awaitable<void> {
        const counting alive(count);
        while (true) co_await of->open("file", open_mode::write);
      };
      const auto ignore = [](std::exception_ptr) {};
      for (int i = 0; i < 5; ++i) {
        asio::co_spawn(in->strand, writes(on, file, memory, frames), ignore);
        asio::co_spawn(in->strand, writes_many(on, file, memory, frames), ignore);
        asio::co_spawn(in->strand, lists(on, frames), ignore);
        asio::co_spawn(in->strand, opens(on, frames), ignore);
      }
      file.reset();
      in->context.restart();
      for (int i = 0; i < polls; ++i) in->context.run_one();
      if (destroy_context) {
        on.reset();
        in.reset();
      } else {
        on->shutdown();
        on.reset();
        in->run();  // coroutines that were not waiting find everything closed
        in.reset();
      }
      BOOST_TEST(frames == 0);
      BOOST_TEST(memory.use_count() == 1);
    }
  }
}

BOOST_DATA_TEST_CASE(an_exception_after_a_request_leaves_through_run, data::make(subjects()),
                     tried) {
  opened_world in(tried);
  const file_ptr file = in.open("file", open_mode::create);
  asio::co_spawn(
      in.strand,
      [&]() -> asio::awaitable<void> {
        co_await sync(*in.on, file, "file");
        throw std::runtime_error("mine");
      },
      [](std::exception_ptr error) {
        if (error) std::rethrow_exception(error);
      });
  in.context.restart();
  BOOST_CHECK_THROW(in.context.run(), std::runtime_error);
  in.run();
}

BOOST_DATA_TEST_CASE(a_warm_request_allocates_nothing, data::make(subjects()), tried) {
  opened_world in(tried);
  struct state {
    std::shared_ptr<storage> on;
    std::deque<io_request> requests;
    int left = 0;
    std::size_t allocated_before = 0;
    std::size_t allocated_after = 0;
  } at;
  at.on = in.on;
  aligned_memory memory(block_bytes);
  const file_ptr file = in.open("file", open_mode::create);
  for (std::size_t i = 0; i < 3; ++i) {
    io_request& request =
        at.requests.emplace_back(write_of(file, i * block_bytes, memory.data(), block_bytes));
    request.owner = &at;
    request.complete = [](io_request& done) noexcept {
      auto& all = *static_cast<state*>(done.owner);
      if (all.left == 2000) all.allocated_before = allocations().value_or(0);
      if (all.left == 1000) all.allocated_after = allocations().value_or(0);
      if (--all.left > 0) all.on->start(done);
    };
  }
  at.left = 3000;
  for (io_request& each : at.requests) in.on->start(each);
  in.run();
  if (!allocations()) {
    std::cout << "SKIP: a sanitizer owns operator new" << std::endl;
    return;
  }
  BOOST_TEST(at.allocated_before != 0U);
  BOOST_TEST(at.allocated_after - at.allocated_before == 0U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::storage::test
