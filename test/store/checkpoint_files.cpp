#include "store/checkpoint_files.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <cstring>
#include <string>
#include <vector>

#include <nori/error.hpp>

#include "format/crc32c.hpp"
#include "storage/storage_test.hpp"
#include "support/files.hpp"
#include "support/random_source.hpp"
#include "support/run.hpp"
#include "support/scratch_directory.hpp"

namespace data = boost::unit_test::data;

namespace nori::store {

std::ostream& operator<<(std::ostream& out, derived_verdict verdict) {
  constexpr std::string_view names[] = {"valid", "absent", "damaged", "foreign"};
  return out << names[static_cast<int>(verdict)];
}

}  // namespace nori::store

namespace nori::store::test {

constexpr format::log_id ours{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
constexpr format::log_id theirs{16, 2, 3};

// Named: the lambdas of data test cases have external linkage.
class kept_in : public storage::test::opened_world {
 public:
  explicit kept_in(const storage::test::subject& of, format::log_id log = ours)
      : opened_world(of), kept(*on, log) {}

  void save(std::string name, std::uint64_t through) {
    run([&]() -> asio::awaitable<void> { co_await save_checkpoint_file(kept, name, through); });
  }
  found_checkpoint load(std::string name) { return load_from(kept, std::move(name)); }
  found_checkpoint load_from(const derived_files& from, std::string name) {
    found_checkpoint found;
    run([&]() -> asio::awaitable<void> { found = co_await load_checkpoint_file(from, name); });
    return found;
  }
  void remove(std::string name) {
    run([&]() -> asio::awaitable<void> { co_await remove_checkpoint_file(kept, name); });
  }
  [[nodiscard]] std::filesystem::path path_of(std::string_view name) const {
    return scratch.path() / ("checkpoint-" + std::string(name));
  }

  derived_files kept;
};

namespace {

using nori::test::bytes_of_file;
using nori::test::random_source;
using nori::test::run;
using nori::test::run_until;
using nori::test::task;
using nori::test::write_file;
using storage::test::real_subjects;
using storage::test::subject;
using storage::test::subjects;

}  // namespace

BOOST_AUTO_TEST_SUITE(checkpoint_files)

BOOST_DATA_TEST_CASE(what_was_saved_last_is_loaded, data::make(subjects()), tried) {
  kept_in in(tried);
  BOOST_TEST(in.load("a").verdict == derived_verdict::absent);
  in.save("a", 7);
  in.save("b", 0);
  in.save("a", UINT64_MAX);
  in.save("a", 3);
  BOOST_TEST(in.load("a").verdict == derived_verdict::valid);
  BOOST_TEST(in.load("a").through == 3u);
  BOOST_TEST(in.load("b").verdict == derived_verdict::valid);
  BOOST_TEST(in.load("b").through == 0u);
  in.remove("a");
  in.remove("a");
  BOOST_TEST(in.load("a").verdict == derived_verdict::absent);
  BOOST_TEST(in.load("b").through == 0u);
  BOOST_TEST(!std::filesystem::exists(in.path_of("a.tmp")));
}

BOOST_DATA_TEST_CASE(a_view_of_any_size_comes_back, data::make(subjects()), tried) {
  kept_in in(tried);
  random_source random;
  for (const std::size_t size : {0, 1, 4000, 4021, 4022, 4023, 4096, 100'000, 1'048'576}) {
    const std::string bytes = random.text(size);
    loaded_derived found;
    in.run([&]() -> asio::awaitable<void> {
      derived what(size, 9, bytes);
      co_await save_projection_file(in.kept, "view", std::move(what));
      found = co_await load_projection_file(in.kept, "view");
    });
    BOOST_TEST(found.verdict == derived_verdict::valid);
    BOOST_TEST(found.what.through == size);
    BOOST_TEST(found.what.version == 9u);
    BOOST_TEST((found.what.bytes == bytes));
    BOOST_TEST((found.saved_at > event_time{}));
  }
}

BOOST_AUTO_TEST_CASE(any_damaged_byte_and_any_cut_is_found) {
  kept_in in(real_subjects().back());
  in.save("a", 123456789);
  const std::string whole = bytes_of_file(in.path_of("a"));
  BOOST_TEST_REQUIRE(whole.size() == 4096u);
  const auto judged = [](const std::string& bytes) {
    return check_derived(std::as_bytes(std::span(bytes)), ours, "checkpoint-a").verdict;
  };
  BOOST_TEST(judged(whole) == derived_verdict::valid);
  std::size_t missed = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      if (judged(damaged) != derived_verdict::damaged) ++missed;
    }
  }
  for (std::size_t n = 0; n < whole.size(); ++n) {
    if (judged(whole.substr(0, n)) != derived_verdict::damaged) ++missed;
  }
  BOOST_TEST(missed == 0u);
  BOOST_TEST(judged(whole + std::string(4096, '\0')) == derived_verdict::damaged);
  // Through files, a few.
  for (const std::size_t at : {0, 35, 61, 70, 4095}) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    write_file(in.path_of("a"), damaged);
    BOOST_TEST(in.load("a").verdict == derived_verdict::damaged);
  }
  for (const std::size_t n : {0, 1, 64, 4095}) {
    write_file(in.path_of("a"), whole.substr(0, n));
    BOOST_TEST(in.load("a").verdict == derived_verdict::damaged);
  }
  // Saving repairs it.
  in.save("a", 5);
  BOOST_TEST(in.load("a").through == 5u);
}

// Right by its crc, and still not to be trusted.
BOOST_AUTO_TEST_CASE(lengths_that_do_not_fit_are_damage) {
  struct lie {
    std::uint32_t name_bytes;
    std::uint64_t content_bytes;
  };
  for (const lie each :
       {lie{1, UINT64_MAX}, {UINT32_MAX, 0}, {200, UINT64_MAX - 263}, {12, 4096}}) {
    std::vector<std::byte> file(4096);
    store_derived(file.data(), ours, "checkpoint-a", {}, {});
    std::memcpy(file.data() + 12, &each.name_bytes, 4);
    std::memcpy(file.data() + 52, &each.content_bytes, 8);
    std::uint32_t crc = format::crc32c(0, file.data(), 60);
    crc = format::crc32c(crc, file.data() + 64, file.size() - 64);
    std::memcpy(file.data() + 60, &crc, 4);
    BOOST_TEST(check_derived(file, ours, "checkpoint-a").verdict == derived_verdict::damaged);
  }
}

// A file that another program wrote, from src/store/DERIVED.md; it stays readable for ever.
BOOST_AUTO_TEST_CASE(the_golden_file_is_read_and_would_be_written_like_that) {
  const std::string golden = bytes_of_file(NORI_TEST_DATA_DIR "/golden/v1_derived");
  const std::string_view name = "projection-totals";
  const derived_check check = check_derived(std::as_bytes(std::span(golden)), ours, name);
  BOOST_TEST(check.verdict == derived_verdict::valid);
  BOOST_TEST(check.header.through == 41u);
  BOOST_TEST(check.header.saved_ns == 1767225600000000000);
  BOOST_TEST(check.header.version == 3u);
  BOOST_TEST(check.content == R"({"total":12})");
  std::string again(derived_file_bytes(name.size(), check.content.size()), '\0');
  store_derived(reinterpret_cast<std::byte*>(again.data()), ours, name, check.header,
                check.content);
  BOOST_TEST((again == golden));
}

BOOST_AUTO_TEST_CASE(another_logs_file_and_another_name_are_foreign) {
  kept_in in(real_subjects().back());
  in.save("a", 1);
  const derived_files others(*in.on, theirs);
  BOOST_TEST(in.load_from(others, "a").verdict == derived_verdict::foreign);
  std::filesystem::copy_file(in.path_of("a"), in.path_of("b"));
  BOOST_TEST(in.load("b").verdict == derived_verdict::foreign);
  BOOST_TEST(in.load("a").verdict == derived_verdict::valid);
}

BOOST_AUTO_TEST_CASE(what_an_interrupted_save_left_is_in_nobodys_way) {
  kept_in in(real_subjects().back());
  in.save("a", 1);
  write_file(in.scratch.path() / "checkpoint-a.tmp", std::string(100'001, 'x'));
  BOOST_TEST(in.load("a").through == 1u);
  in.save("a", 2);
  BOOST_TEST(in.load("a").through == 2u);
}

BOOST_DATA_TEST_CASE(of_saves_at_the_same_time_the_last_call_wins, data::make(subjects()), tried) {
  kept_in in(tried);
  for (std::uint64_t round = 0; round < 10; ++round) {
    std::vector<task<void>> saves;
    for (std::uint64_t i = 0; i <= 10; ++i) {
      saves.emplace_back(in.strand, save_checkpoint_file(in.kept, "a", 100 * round + i));
      saves.emplace_back(in.strand, save_checkpoint_file(in.kept, "b", 200 * round + i));
    }
    in.run();
    for (task<void>& each : saves) each.get();
    BOOST_TEST(in.load("a").through == 100 * round + 10);
    BOOST_TEST(in.load("b").through == 200 * round + 10);
  }
}

BOOST_AUTO_TEST_CASE(a_save_that_was_cancelled_while_it_waited_lets_the_others_go_on) {
  kept_in in(real_subjects().back());
  asio::cancellation_signal cancel;
  task<void> first(in.strand, save_checkpoint_file(in.kept, "a", 1));
  task<void> second(in.strand, save_checkpoint_file(in.kept, "a", 2), cancel.slot());
  task<void> third(in.strand, save_checkpoint_file(in.kept, "a", 3));
  in.context.restart();
  for (int i = 0; i < 3; ++i) in.context.poll_one();
  asio::post(in.strand, [&] { cancel.emit(asio::cancellation_type::terminal); });
  in.run();
  first.get();
  third.get();
  BOOST_CHECK_EXCEPTION(second.get(), boost::system::system_error, [](const auto& error) {
    return error.code() == asio::error::operation_aborted;
  });
  BOOST_TEST(in.load("a").through == 3u);
}

BOOST_AUTO_TEST_CASE(names_are_checked) {
  for (const std::string_view good :
       {"a", "Z", "0", "-", "_", "a.b", "a..", "order-totals_v2", "a.tmpx", "tmp"}) {
    BOOST_TEST(is_checkpoint_name(good), good);
  }
  BOOST_TEST(is_checkpoint_name(std::string(100, 'x')));
  for (const std::string_view bad :
       {"", ".", "..", ".a", "a/b", "/", "a b", "a.tmp", ".tmp", "\xc3\xa4", "a\n", "a:b"}) {
    BOOST_TEST(!is_checkpoint_name(bad), bad);
  }
  BOOST_TEST(!is_checkpoint_name(std::string_view("a\0b", 3)));
  BOOST_TEST(!is_checkpoint_name(std::string(101, 'x')));
  kept_in in(real_subjects().back());
  BOOST_CHECK_EXCEPTION(in.save("../x", 1), boost::system::system_error,
                        [](const auto& error) { return error.code() == errc::invalid_event; });
  BOOST_CHECK_THROW((void)in.load("../x"), boost::system::system_error);
  BOOST_CHECK_THROW(in.remove(""), boost::system::system_error);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::store::test
