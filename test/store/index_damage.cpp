// What a damaged index file does: it says so, or it answers rightly.

#include <boost/test/unit_test.hpp>

#include <cstring>
#include <filesystem>

#include "store/index_test.hpp"

namespace nori::store::test {
namespace {

// A page or two of each kind there is.
model small_model(random_source& random) {
  model made;
  made.facts = some_facts();
  made.offsets = ascending(random, 300, 2000);
  made.facts.to_offset = std::uint64_t{made.offsets.back()} + 1;
  made.keys[{key_kind::type, "all"}].offsets = made.offsets;
  made.keys[{key_kind::tag, "some"}].offsets = some_of(random, made.offsets, 100);
  for (int i = 0; i < 16; ++i) {
    auto& stream = made.keys[{key_kind::stream,
                              std::string(1, static_cast<char>('a' + i)) + random.text(400)}];
    stream.offsets = some_of(random, made.offsets, random.below(5));
    stream.first_revision = random.below(100);
    stream.last_revision = stream.first_revision + random.below(100);
  }
  return made;
}

// Everything that can be asked, as bytes.
asio::awaitable<std::string> answers(index_file_ptr file, model of) {
  std::string text;
  const auto say = [&](std::uint64_t number) { text += std::to_string(number) += ' '; };
  const index_footer& footer = file->summary();
  say(footer.event_count);
  say(footer.facts.first_global_position);
  say(static_cast<std::uint64_t>(footer.facts.first_time_ns));
  say(static_cast<std::uint64_t>(footer.facts.last_time_ns));

  std::vector<key_lookup> lookups;
  for (const auto& [key, facts] : of.keys) lookups.emplace_back(file, key.first, key.second);
  for (const char* absent : {"", "all", "nothing", "zzz"})
    lookups.emplace_back(file, key_kind::stream, absent);
  co_await find_all(lookups);
  for (const key_lookup& each : lookups) {
    text += each.found ? "\nfound " : "\nmissing ";
    if (!each.found) continue;
    say(each.found->value.first_revision);
    say(each.found->value.last_revision);
    say(each.found->value.count);
    for (const direction way : {direction::forwards, direction::backwards}) {
      const bool forwards = way == direction::forwards;
      posting_reader reader(*each.found, way, forwards ? 0 : UINT32_MAX);
      offset_list list;
      co_await reader.read(list, 3);
      const auto next = co_await reader.seek(of.offsets[of.offsets.size() / 2]);
      say(next ? *next : 0);
      while (co_await reader.read(list, 1000) != 0) continue;
      for (const std::uint32_t offset : list) say(offset);
    }
  }
  offset_list offsets;
  co_await file->offsets(0, static_cast<std::size_t>(footer.event_count), offsets);
  for (const std::uint32_t offset : offsets) say(offset);
  if (footer.event_count != 0) say(co_await file->offset_of(footer.event_count / 2));
  for (const std::uint32_t offset : {0U, of.offsets[100], of.offsets[200] + 1, UINT32_MAX})
    say(co_await file->ordinal_at_or_after(offset));
  for (const key_kind kind : {key_kind::tag, key_kind::stream, key_kind::type}) {
    for (const char* from : {"", "m"}) {
      key_iterator iterator(file, kind, from);
      std::vector<key_iterator::item> items;
      while (co_await iterator.read(items, 7) != 0) continue;
      for (const auto& each : items) {
        text += each.name;
        say(each.first_revision);
        say(each.last_revision);
        say(each.count);
      }
    }
  }
  co_return text;
}

// What is answered; nothing where the damage was noticed.
std::optional<std::string> ask(index_world& in, const std::string& name, const model& of) {
  try {
    const auto file = in.open(name, of.facts);
    return in.run(answers(file, of));
  } catch (const index_damaged& error) {
    BOOST_TEST(error.file() == name);
    BOOST_TEST(std::string(error.what()).find(name) != std::string::npos);
    return std::nullopt;
  }
}

void seal_all(std::vector<std::byte>& bytes, const model& of) {
  // Of what the footer says now, for a reader derives the seed from it.
  const std::size_t pages = bytes.size() / page_bytes;
  std::byte* const footer = bytes.data() + (pages - 1) * page_bytes;
  index_facts facts = of.facts;
  std::memcpy(&facts.last_frame_crc, footer + 12, 4);
  std::memcpy(&facts.from_offset, footer + 40, 8);
  std::memcpy(&facts.to_offset, footer + 48, 8);
  for (std::size_t i = 0; i + 1 < pages; ++i)
    seal_page(bytes.data() + i * page_bytes, page_seed(facts), static_cast<std::uint32_t>(i));
  seal_page(footer, footer_seed(of.facts.log, of.facts.segment_id),
            static_cast<std::uint32_t>(pages - 1));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(index_damage)

BOOST_AUTO_TEST_CASE(a_damaged_byte_is_noticed_or_makes_no_difference) {
  random_source random;
  index_world in;
  const model of = small_model(random);
  const std::vector<std::byte> bytes = written(of);
  in.put("index", bytes);
  const auto right = ask(in, "index", of);
  BOOST_TEST_REQUIRE(right.has_value());
  BOOST_TEST(in.open("index")->summary().levels == 2U);

  std::fstream file(in.scratch.path() / "index", std::ios::binary | std::ios::in | std::ios::out);
  const auto put = [&](std::size_t at, std::byte value) {
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(value));
    file.flush();
  };
  std::size_t noticed = 0;
  std::size_t tried = 0;
  const std::size_t stride = bytes.size() / scaled(bytes.size());
  for (std::size_t at = random.below(stride); at < bytes.size(); at += stride, ++tried) {
    put(at, bytes[at] ^ static_cast<std::byte>(1 + random.below(255)));
    const auto answer = ask(in, "index", of);
    if (!answer) ++noticed;
    if (answer && *answer != *right) BOOST_ERROR("wrong answers with byte " << at << " damaged");
    put(at, bytes[at]);
  }
  // Every page is needed by some question.
  BOOST_TEST(noticed == tried);
  BOOST_TEST((ask(in, "index", of) == right));
}

BOOST_AUTO_TEST_CASE(a_file_of_another_length_is_refused) {
  random_source random;
  index_world in;
  const model of = small_model(random);
  std::vector<std::byte> bytes = written(of);
  std::vector<std::size_t> lengths{0, 1, bytes.size() - 1, bytes.size() + 1,
                                   bytes.size() + page_bytes};
  for (std::size_t at = page_bytes; at < bytes.size(); at += page_bytes) lengths.push_back(at);
  for (int i = 0; i < 50; ++i) lengths.push_back(random.below(bytes.size()));
  for (const std::size_t length : lengths) {
    std::vector<std::byte> other = bytes;
    other.resize(length);
    in.put("index", other);
    BOOST_CHECK_THROW(in.open("index"), index_damaged);
  }
}

BOOST_AUTO_TEST_CASE(a_file_that_is_not_there_is_the_systems_error) {
  index_world in;
  try {
    in.open("index");
    BOOST_ERROR("opened");
  } catch (const boost::system::system_error& error) {
    BOOST_TEST((error.code() == boost::system::errc::no_such_file_or_directory));
  }
}

BOOST_AUTO_TEST_CASE(pages_of_another_file_do_not_pass) {
  random_source random;
  index_world in;
  const model of = small_model(random);
  const std::vector<std::byte> bytes = written(of);
  in.put("index", bytes);
  const auto right = ask(in, "index", of);

  index_facts other = of.facts;
  other.segment_id += 1;
  BOOST_CHECK_THROW(in.open("index", other), index_damaged);
  other = of.facts;
  other.log[3] ^= 1;
  BOOST_CHECK_THROW(in.open("index", other), index_damaged);

  // The same segment, as it was before: all pages but the footer are the same, but for their sums.
  model before = of;
  before.facts.last_frame_crc ^= 1;
  const std::vector<std::byte> old = written(before);
  BOOST_TEST_REQUIRE(old.size() == bytes.size());
  for (std::size_t i = 0; i < bytes.size(); i += page_bytes) {
    std::vector<std::byte> mixed = bytes;
    std::copy_n(old.begin() + static_cast<std::ptrdiff_t>(i), page_bytes,
                mixed.begin() + static_cast<std::ptrdiff_t>(i));
    in.put("index", mixed);
    BOOST_TEST(!ask(in, "index", of).has_value());
    // A page in the place of another.
    mixed = bytes;
    const std::size_t from = i == 0 ? page_bytes : 0;
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(from), page_bytes,
                mixed.begin() + static_cast<std::ptrdiff_t>(i));
    in.put("index", mixed);
    BOOST_TEST(!ask(in, "index", of).has_value());
  }
}

BOOST_AUTO_TEST_CASE(hostile_bytes_with_right_sums_end_in_an_error_or_an_answer) {
  random_source random;
  index_world in(std::size_t{64} << 10);
  const model of = small_model(random);
  const std::vector<std::byte> bytes = written(of);
  const std::size_t pages = bytes.size() / page_bytes;
  std::size_t noticed = 0;
  const std::size_t rounds = scaled(4000);
  for (std::size_t round = 0; round < rounds; ++round) {
    std::vector<std::byte> hostile = bytes;
    for (std::size_t changes = 1 + random.below(3); changes != 0; --changes) {
      std::byte* const at = hostile.data() + random.below(pages) * page_bytes;
      switch (random.below(6)) {
        case 0:  // where headers and the first entries are
          at[random.below(24)] = static_cast<std::byte>(random());
          break;
        case 1:  // where the places of entries are
          at[page_sum_at - 1 - random.below(40)] = static_cast<std::byte>(random());
          break;
        case 2:  // where the fields of the footer are
          hostile[(pages - 1) * page_bytes + 64 + random.below(56)] =
              static_cast<std::byte>(random.below(3) == 0 ? random() : random.below(8));
          break;
        case 3:
          std::copy_n(hostile.data() + random.below(pages) * page_bytes, page_bytes, at);
          break;
        case 4:
          at[random.below(page_sum_at)] = std::byte{0xff};
          break;
        default:
          at[random.below(page_sum_at)] = static_cast<std::byte>(random());
      }
    }
    seal_all(hostile, of);
    in.put("index", hostile);
    if (!ask(in, "index", of)) ++noticed;
  }
  BOOST_TEST(noticed != 0U);
}

BOOST_AUTO_TEST_CASE(a_tree_that_leads_back_to_itself_ends_in_an_error) {
  // Fifteen levels of inner pages, each of whose entries leads to the same child: to walk through
  // that would take for ever.
  index_world in;
  model of;
  of.facts = some_facts();
  const auto file_of = [&](std::string_view leaf_key) {
    std::vector<std::byte> bytes;
    std::vector<std::byte> entry;
    std::string key(leaf_key);
    page_builder builder;
    encode_leaf_entry(entry, {}, key, {});
    BOOST_TEST_REQUIRE(builder.add_entry(entry));
    const auto put = [&](const std::byte* page) {
      bytes.insert(bytes.end(), page, page + page_bytes);
    };
    put(builder.complete(page_kind::leaf, 0));
    for (std::uint8_t level = 1; level < levels_max; ++level) {
      builder.clear();
      encode_inner_entry(entry, {}, {}, level - 1U);
      while (builder.add_entry(entry)) continue;
      put(builder.complete(page_kind::inner, level));
    }
    std::vector<std::byte> filter(page_bytes, std::byte{0xff});
    put(filter.data());
    index_footer footer;
    footer.facts = of.facts;
    footer.key_count = 1;
    footer.page_count = levels_max + 2;
    footer.levels = levels_max;
    footer.root_page = levels_max - 1;
    footer.filter_page = levels_max;
    footer.filter_blocks = 1;
    std::vector<std::byte> last(page_bytes);
    store_footer(last.data(), footer);
    put(last.data());
    seal_all(bytes, of);
    return bytes;
  };
  for (const std::string_view key : {"sa", "sz", "ta", "ga"}) {
    in.put("index", file_of(key));
    const auto file = in.open("index");
    for (const char* from : {"", "a", "b", "z", "zz"}) {
      try {
        const auto listed = in.list(file, key_kind::stream, from, 10);
        BOOST_TEST(listed.size() <= 1U);
      } catch (const index_damaged&) {
      }
      in.find(file, key_kind::stream, from);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::store::test
