// Index files answer as the model that they were written from.

#include <boost/test/unit_test.hpp>

#include <set>

#include "store/index_test.hpp"

namespace nori::store::test {
namespace {

constexpr std::size_t key_count_max = 3000;

std::string some_name(random_source& random) {
  switch (random.below(8)) {
    case 0:
      return random.text(1 + random.below(3));
    case 1:
      return random.text(1 + random.below(name_bytes_max));
    case 2:
      return random.text(name_bytes_max);
    case 3:
      // The longest prefixes in common.
      return std::string(random.below(name_bytes_max - 1), 'x') + random.text(1);
    default:
      return (random.below(2) == 0 ? "account-" : "order-") + std::to_string(random.below(100000));
  }
}

std::size_t some_count(random_source& random, std::size_t all) {
  switch (random.below(40)) {
    case 0:
      return all;
    case 1:
      return random.below(all + 1);
    case 2:
    case 3:
      return 20 + random.below(100);  // around what is inline
    default:
      return 1 + random.below(4);
  }
}

model random_model(random_source& random, std::size_t events, std::size_t keys) {
  model made;
  made.facts = some_facts();
  made.offsets = ascending(random, events, random.below(2) == 0 ? 300 : 2);
  made.facts.to_offset = events == 0 ? 8192 : std::uint64_t{made.offsets.back()} + 1;
  constexpr key_kind kinds[] = {key_kind::stream, key_kind::stream, key_kind::tag, key_kind::type};
  while (made.keys.size() < keys) {
    const key_kind kind = kinds[random.below(4)];
    auto& key = made.keys[{kind, some_name(random)}];
    key.offsets = some_of(random, made.offsets, some_count(random, events));
    if (kind != key_kind::stream) continue;
    if (random.below(10) == 0) key.offsets.clear();
    key.first_revision = random.below(3) == 0 ? random() : random.below(1000);
    key.last_revision = key.first_revision + random() % (UINT64_MAX - key.first_revision);
  }
  return made;
}

void check_lookups(index_world& in, const index_file_ptr& file, const model& of,
                   random_source& random) {
  std::vector<std::pair<key_kind, std::string>> names;
  for (const auto& [key, facts] : of.keys) names.push_back(key);
  for (std::size_t i = 0; i < 200; ++i) {
    constexpr key_kind kinds[] = {key_kind::tag, key_kind::stream, key_kind::type};
    names.emplace_back(kinds[random.below(3)], some_name(random));
    if (of.keys.empty()) continue;
    // Next to one that is there.
    auto near = names[random.below(of.keys.size())];
    switch (random.below(3)) {
      case 0:
        near.second += '\0';
        break;
      case 1:
        near.second.back() = static_cast<char>(near.second.back() - 1);
        break;
      default:
        near.second.pop_back();
    }
    names.push_back(near);
  }
  std::vector<key_lookup> lookups;
  for (const auto& [kind, name] : names) lookups.emplace_back(file, kind, name);
  in.run(find_all(lookups));
  for (const key_lookup& each : lookups) {
    const auto in_model = of.keys.find({each.kind, std::string(each.name)});
    BOOST_TEST_REQUIRE(each.found.has_value() == (in_model != of.keys.end()));
    if (!each.found) continue;
    BOOST_TEST(each.found->value.first_revision == in_model->second.first_revision);
    BOOST_TEST(each.found->value.last_revision == in_model->second.last_revision);
    BOOST_TEST(each.found->value.count == in_model->second.offsets.size());
    const offset_list& offsets = in_model->second.offsets;
    for (const direction way : {direction::forwards, direction::backwards}) {
      const std::uint32_t begin = way == direction::forwards ? 0 : UINT32_MAX;
      const std::size_t most = random.below(3) == 0 ? 1 + random.below(50) : 5000;
      if (in.read(*each.found, way, begin, most) != expected(offsets, way, begin))
        BOOST_ERROR("a list is read wrongly");
    }
  }
}

// A reader that is now read, now told to skip.
void check_seeks(index_world& in, const found_key& key, const offset_list& list,
                 random_source& random, std::uint32_t end) {
  for (const direction way : {direction::forwards, direction::backwards}) {
    const bool forwards = way == direction::forwards;
    auto from = static_cast<std::uint32_t>(random.below(std::size_t{end} + 100));
    if (random.below(2) == 0) from = forwards ? 0 : UINT32_MAX;
    posting_reader reader(key, way, from);
    offset_list left = expected(list, way, from);
    while (true) {
      if (random.below(2) == 0) {
        const std::size_t far = random.below(10) == 0 ? end / 2 + 1 : 2000;
        const auto target =
            static_cast<std::int64_t>(left.empty() ? from : left.front()) +
            (forwards ? 1 : -1) * (static_cast<std::int64_t>(random.below(far)) - 20);
        const auto to = static_cast<std::uint32_t>(
            std::clamp<std::int64_t>(target, 0, std::int64_t{UINT32_MAX}));
        std::erase_if(left, [&](std::uint32_t at) { return forwards ? at < to : at > to; });
        const auto next = in.run(reader.seek(to));
        BOOST_TEST_REQUIRE(next.has_value() == !left.empty());
        if (next) BOOST_TEST_REQUIRE(*next == left.front());
      } else {
        offset_list got;
        const std::size_t most = 1 + random.below(2000);
        const std::size_t count = in.run(reader.read(got, most));
        BOOST_TEST_REQUIRE(count == got.size());
        BOOST_TEST_REQUIRE(count <= most);
        BOOST_TEST_REQUIRE((count == 0) == left.empty());
        BOOST_TEST_REQUIRE(count <= left.size());
        if (!std::equal(got.begin(), got.end(), left.begin())) BOOST_ERROR("read another list");
        left.erase(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(count));
        if (count == 0) break;
      }
    }
  }
}

void check_offsets(index_world& in, const index_file_ptr& file, const model& of,
                   random_source& random) {
  const offset_list& all = of.offsets;
  offset_list got;
  in.run(file->offsets(0, all.size(), got));
  BOOST_TEST((got == all));
  for (std::size_t i = 0; i < 200 && !all.empty(); ++i) {
    const std::size_t at = random.below(all.size());
    BOOST_TEST(in.run(file->offset_of(at)) == all[at]);
    const std::size_t count = random.below(all.size() - at + 1);
    got.assign(1, 0);
    in.run(file->offsets(at, count, got));
    BOOST_TEST(got.size() == count + 1);
    BOOST_TEST(std::equal(got.begin() + 1, got.end(), all.begin() + static_cast<long>(at)));
  }
  std::vector<std::uint32_t> asked{0, 8191, 8192, UINT32_MAX,
                                   static_cast<std::uint32_t>(of.facts.to_offset)};
  for (std::size_t i = 0; i < 300 && !all.empty(); ++i)
    asked.push_back(all[random.below(all.size())] + static_cast<std::uint32_t>(random.below(3)) -
                    1);
  for (std::size_t i = offsets_per_page - 1; i < all.size(); i += offsets_per_page - 1) {
    asked.push_back(all[i]);
    asked.push_back(all[i] + 1);
  }
  for (const std::uint32_t each : asked) {
    const auto at = std::lower_bound(all.begin(), all.end(), each) - all.begin();
    BOOST_TEST(in.run(file->ordinal_at_or_after(each)) == static_cast<std::uint64_t>(at));
  }
}

void check_listing(index_world& in, const index_file_ptr& file, const model& of, key_kind kind,
                   const std::string& from, std::size_t most) {
  const auto listed = in.list(file, kind, from, most);
  std::size_t i = 0;
  for (auto at = of.keys.lower_bound({kind, from}); at != of.keys.end(); ++at, ++i) {
    if (at->first.first != kind) break;
    BOOST_TEST_REQUIRE(i < listed.size());
    BOOST_TEST_REQUIRE(listed[i].name == at->first.second);
    BOOST_TEST(listed[i].first_revision == at->second.first_revision);
    BOOST_TEST(listed[i].last_revision == at->second.last_revision);
    BOOST_TEST(listed[i].count == at->second.offsets.size());
  }
  BOOST_TEST(i == listed.size());
}

void check_all(index_world& in, const index_file_ptr& file, const model& of,
               random_source& random) {
  BOOST_TEST((file->summary().facts == of.facts));
  BOOST_TEST(file->summary().event_count == of.offsets.size());
  BOOST_TEST(file->summary().key_count == of.keys.size());
  check_lookups(in, file, of, random);
  check_offsets(in, file, of, random);
  const auto end = static_cast<std::uint32_t>(of.facts.to_offset);
  std::size_t sought = 0;
  for (const auto& [key, facts] : of.keys) {
    if (facts.offsets.size() < 10 && random.below(20) != 0) continue;
    if (++sought > 40) break;
    const auto found = in.find(file, key.first, key.second);
    BOOST_TEST_REQUIRE(found.has_value());
    check_seeks(in, *found, facts.offsets, random, end);
  }
  for (const key_kind kind : {key_kind::tag, key_kind::stream, key_kind::type}) {
    check_listing(in, file, of, kind, "", 100000);
    check_listing(in, file, of, kind, "", 1 + random.below(300));
    for (int i = 0; i < 10; ++i) check_listing(in, file, of, kind, some_name(random), 50);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(index_model)

BOOST_AUTO_TEST_CASE(an_index_answers_as_its_model) {
  random_source random;
  const std::size_t rounds = scaled(24);
  for (std::size_t round = 0; round < rounds; ++round) {
    // Small caches, so that pages come and go.
    index_world in(round % 2 == 0 ? 4096 : std::size_t{1} << 20);
    const std::size_t events = round % 3 == 0 ? random.below(30) : random.below(40000);
    const std::size_t keys = round % 4 == 0 ? random.below(20) : random.below(key_count_max);
    const model of = random_model(random, std::max<std::size_t>(events, 1), keys);
    check_all(in, in.write("index", of), of, random);
  }
}

BOOST_AUTO_TEST_CASE(sizes_around_the_ends_of_pages_make_no_difference) {
  random_source random;
  for (const std::size_t pages : {std::size_t{1}, std::size_t{2}, offsets_per_page}) {
    for (int more = -1; more <= 1; ++more) {
      index_world in;
      const std::size_t count = pages * offsets_per_page + static_cast<std::size_t>(more + 1) - 1;
      model of;
      of.facts = some_facts();
      of.offsets = ascending(random, count, 3);
      of.facts.to_offset = std::uint64_t{of.offsets.back()} + 1;
      of.keys[{key_kind::type, "all"}].offsets = of.offsets;
      const auto file = in.write("index", of);
      check_offsets(in, file, of, random);
      const auto found = in.find(file, key_kind::type, "all");
      BOOST_TEST_REQUIRE(found.has_value());
      BOOST_TEST((in.read(*found, direction::backwards, UINT32_MAX, 5000) ==
                  expected(of.offsets, direction::backwards, UINT32_MAX)));
    }
  }
  // Lists that end right at, before and behind the end of a page of postings, one after another,
  // and leaves that are filled while a page of postings is open.
  for (std::size_t count = 3900; count < 4100; count += 1 + random.below(20)) {
    index_world in;
    model of;
    of.facts = some_facts();
    of.offsets = ascending(random, 3 * count, 1);
    of.facts.to_offset = std::uint64_t{of.offsets.back()} + 1;
    for (int i = 0; i < 3; ++i) {
      of.keys[{key_kind::tag, "tag" + std::to_string(i)}].offsets =
          some_of(random, of.offsets, count + static_cast<std::size_t>(i));
      of.keys[{key_kind::type, "type" + std::to_string(i)}].offsets =
          some_of(random, of.offsets, count - static_cast<std::size_t>(i));
    }
    for (std::size_t i = 0; i < count; ++i) {
      auto& stream = of.keys[{key_kind::stream, "stream" + std::to_string(i)}];
      stream.offsets = {of.offsets[i]};
      if (i % 500 == 0) stream.offsets = some_of(random, of.offsets, 100);
    }
    const auto file = in.write("index", of);
    for (const auto& [key, facts] : of.keys) {
      if (facts.offsets.size() < 2) continue;
      const auto found = in.find(file, key.first, key.second);
      BOOST_TEST_REQUIRE(found.has_value());
      BOOST_TEST((in.read(*found, direction::forwards, 0, 5000) == facts.offsets));
      BOOST_TEST((in.read(*found, direction::backwards, UINT32_MAX, 5000) ==
                  expected(facts.offsets, direction::backwards, UINT32_MAX)));
      check_seeks(in, *found, facts.offsets, random,
                  static_cast<std::uint32_t>(of.facts.to_offset));
    }
    check_listing(in, file, of, key_kind::stream, "", 1000);
  }
}

BOOST_AUTO_TEST_CASE(the_largest_offsets_are_found_and_read_both_ways) {
  index_world in;
  model of;
  of.facts = some_facts();
  of.facts.from_offset = 0;
  of.facts.to_offset = std::uint64_t{1} << 32;
  of.offsets = {0, 1, UINT32_MAX - 1, UINT32_MAX};
  of.keys[{key_kind::type, "t"}].offsets = of.offsets;
  const auto file = in.write("index", of);
  const auto found = in.find(file, key_kind::type, "t");
  BOOST_TEST_REQUIRE(found.has_value());
  for (const std::uint32_t from : {0U, 1U, 2U, UINT32_MAX - 1, UINT32_MAX}) {
    for (const direction way : {direction::forwards, direction::backwards}) {
      for (const std::size_t most : {1U, 10U})
        BOOST_TEST((in.read(*found, way, from, most) == expected(of.offsets, way, from)));
    }
  }
}

BOOST_AUTO_TEST_CASE(an_index_may_have_keys_without_events_and_nothing_at_all) {
  random_source random;
  index_world in;
  model of;
  of.facts = some_facts();
  check_all(in, in.write("empty", of), of, random);
  for (int i = 0; i < 5000; ++i) {
    auto& retired = of.keys[{key_kind::stream, "retired-" + std::to_string(i)}];
    retired.last_revision = static_cast<std::uint64_t>(i);
  }
  check_all(in, in.write("retired", of), of, random);
}

BOOST_AUTO_TEST_CASE(many_files_are_searched_at_once) {
  random_source random;
  index_world in(4096);
  std::vector<model> models;
  std::vector<index_file_ptr> files;
  for (std::size_t i = 0; i < 20; ++i) {
    models.push_back(random_model(random, 1000, 1 + random.below(600)));
    models.back().facts.segment_id = i;
    files.push_back(in.write("index" + std::to_string(i), models.back()));
  }
  std::vector<std::string> names;
  for (const model& each : models)
    for (const auto& [key, facts] : each.keys)
      if (key.first == key_kind::stream && random.below(5) == 0) names.push_back(key.second);
  for (const std::string& name : names) {
    std::vector<key_lookup> lookups;
    for (const auto& file : files) lookups.emplace_back(file, key_kind::stream, name);
    in.run(find_all(lookups));
    for (std::size_t i = 0; i < files.size(); ++i)
      BOOST_TEST(lookups[i].found.has_value() == models[i].keys.contains({key_kind::stream, name}));
  }
}

BOOST_AUTO_TEST_CASE(the_filter_passes_few_keys_that_are_not_there) {
  for (const std::size_t keys : {std::size_t{1}, std::size_t{500}, std::size_t{50000}}) {
    const auto blocks = static_cast<std::uint32_t>((keys * filter_bits_per_key + 511) / 512);
    std::vector<std::byte> filter(blocks * filter_block_bytes);
    const auto block = [&](std::uint32_t sum) {
      return filter.data() + filter_block(sum, blocks) * filter_block_bytes;
    };
    for (std::size_t i = 0; i < keys; ++i) {
      const std::uint32_t sum = key_sum("sorder-" + std::to_string(i));
      filter_add(block(sum), sum);
    }
    std::size_t passed = 0;
    for (std::size_t i = 0; i < keys; ++i) {
      const std::uint32_t sum = key_sum("sorder-" + std::to_string(i));
      BOOST_TEST_REQUIRE(filter_may_have(block(sum), sum));
    }
    constexpr std::size_t absent = 100000;
    for (std::size_t i = 0; i < absent; ++i) {
      const std::uint32_t sum = key_sum("saccount-" + std::to_string(i));
      passed += filter_may_have(block(sum), sum) ? 1 : 0;
    }
    const double rate = static_cast<double>(passed) / absent;
    BOOST_TEST_MESSAGE(keys << " keys: " << 100 * rate << " % pass");
    BOOST_TEST(rate < 0.03);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace nori::store::test
