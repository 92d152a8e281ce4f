// nori-fuzz-seeds FOLDER: writes what the fuzzers start from, FOLDER/<fuzzer>/<name>: golden files,
// and what this code writes.

#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "format/frame.hpp"
#include "format/record_codec.hpp"
#include "format/segment_header.hpp"
#include "fuzz/index_seed.hpp"
#include "store/derived_files.hpp"
#include "store/event_codec.hpp"
#include "store/index_writer.hpp"
#include "store/snapshot_format.hpp"
#include "support/files.hpp"

namespace nori::fuzz {

namespace {

namespace fs = std::filesystem;
using byte_vector = std::vector<std::byte>;

class seeds {
 public:
  explicit seeds(fs::path under) : under_(std::move(under)) {}

  void put(const std::string& fuzzer, const std::string& name, std::string_view bytes) const {
    fs::create_directories(under_ / fuzzer);
    test::write_file(under_ / fuzzer / name, bytes);
  }
  void put(const std::string& fuzzer, const std::string& name, const byte_vector& bytes) const {
    put(fuzzer, name, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  }

 private:
  fs::path under_;
};

byte_vector body_of(const record_view& what) {
  byte_vector buffer;
  const format::prepared_record prepared = format::prepare_record(what, 1'700'000'000'000, buffer);
  byte_vector body(prepared.body_bytes);
  format::encode_record(body.data(), prepared);
  return body;
}

std::vector<byte_vector> bodies() {
  const std::string repeated(300, 'r');
  std::vector<byte_vector> all;
  record_view what;
  all.push_back(body_of(what));
  what.key = "key";
  what.value = "value";
  all.push_back(body_of(what));
  what.tombstone = true;
  what.version = record_version{7, 300};
  all.push_back(body_of(what));
  what.tombstone = false;
  what.value = repeated;
  what.time_to_live = std::chrono::milliseconds(60'000);
  for (const compression each : {compression::none, compression::lz4, compression::zstd}) {
    what.compress = each;
    all.push_back(body_of(what));
  }
  return all;
}

void put_records(const seeds& to) {
  std::size_t n = 0;
  for (byte_vector body : bodies()) {
    body.insert(body.begin(), std::byte{16});
    to.put("record", std::to_string(n++), body);
  }
}

void append_frame(byte_vector& to, format::frame_header& header, const byte_vector& body,
                  std::uint32_t seed) {
  const std::size_t at = to.size();
  header.length = static_cast<std::uint32_t>(body.size());
  to.resize(at + static_cast<std::size_t>(format::frame_bytes(body.size())));
  std::copy(body.begin(), body.end(),
            to.begin() + static_cast<std::ptrdiff_t>(at + format::frame_header_bytes));
  header.previous_crc = format::seal_frame(to.data() + at, header, seed);
  ++header.sequence;
}

// One of each kind, a batch, and a marker that vouches for them.
byte_vector frames(std::uint32_t seed, std::uint64_t first) {
  byte_vector bytes;
  format::frame_header header;
  header.sequence = first;
  header.durable_lag = 1;
  header.kind = format::frame_kind::epoch;
  header.epoch = 5;
  append_frame(bytes, header, {}, seed);
  header.kind = format::frame_kind::record;
  for (const byte_vector& body : bodies()) {
    header.flags = header.sequence % 2;
    append_frame(bytes, header, body, seed);
  }
  header.flags = 0;
  header.kind = format::frame_kind::filler;
  append_frame(bytes, header, byte_vector(40, std::byte{7}), seed);
  header.kind = format::frame_kind::marker;
  append_frame(bytes, header, {}, seed);
  header.flags = 2;
  append_frame(bytes, header, {}, seed);
  return bytes;
}

void put_frames(const seeds& to) {
  constexpr std::uint32_t seed = 0x1234;
  for (const std::uint64_t sought : {1, 3, 9}) {
    byte_vector input(13);
    std::memcpy(input.data(), &seed, 4);
    std::memcpy(input.data() + 4, &sought, 8);
    const byte_vector bytes = frames(seed, 1);
    input.insert(input.end(), bytes.begin(), bytes.end());
    to.put("frames", "from_" + std::to_string(sought), input);
  }
}

// As segment.cpp takes them: options, the fields, what is behind the header.
void put_segments(const seeds& to, const fs::path& golden) {
  std::size_t n = 0;
  for (const char* const folder : {"v1_directory", "v1_killed"}) {
    for (const auto& each : fs::directory_iterator(golden / folder)) {
      const std::string file = test::bytes_of_file(each.path());
      if (each.path().extension() != ".segment") {
        to.put("segment_header", each.path().filename().string() + std::to_string(n),
               file.substr(0, format::segment_header_bytes));
        continue;
      }
      to.put("segment_header", std::to_string(n), file.substr(0, format::segment_header_bytes));
      std::string rest = file.substr(format::segment_header_bytes);
      rest.resize(std::min<std::size_t>(rest.find_last_not_of('\0') + 9, rest.size()));
      to.put("segment", "golden_" + std::to_string(n++), '\0' + file.substr(8, 112) + rest);
    }
  }
  format::segment_header header;
  header.log = {1, 2, 3};
  header.segment_id = 4;
  header.first_sequence = 100;
  byte_vector input(1 + format::segment_header_bytes);
  format::store_segment_header(input.data() + 1, header);
  std::memmove(input.data() + 1, input.data() + 9, 112);
  input.resize(1 + 112);
  const byte_vector bytes =
      frames(format::segment_seed(header.log, header.segment_id), header.first_sequence);
  input.insert(input.end(), bytes.begin(), bytes.end());
  for (const unsigned options : {0U, 2U, 4U}) {
    input.front() = static_cast<std::byte>(options);
    to.put("segment", "options_" + std::to_string(options), input);
  }
}

void put_store_files(const seeds& to) {
  snapshot made;
  made.stream = "account/1";
  made.revision = 12;
  made.global_position = 400;
  made.schema_version = 2;
  for (const std::size_t bytes : {0, 1, 200}) {
    made.data.assign(bytes, 's');
    byte_vector file(static_cast<std::size_t>(store::snapshot_bytes(made)));
    store::store_snapshot(file.data(), made);
    std::string input(1, static_cast<char>(made.stream.size()));
    input += made.stream;
    input.append(reinterpret_cast<const char*>(file.data()), file.size());
    to.put("snapshot", std::to_string(bytes), input);
  }
  constexpr std::string_view name = "checkpoint-reader";
  constexpr format::log_id log{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  for (const std::string_view content : {"", "{\"balance\":7}"}) {
    byte_vector file(store::derived_file_bytes(name.size(), content.size()));
    store::derived_header header;
    header.through = 99;
    header.version = 3;
    store::store_derived(file.data(), log, name, header, content);
    file.resize(store::derived_header_bytes + name.size() + content.size());
    to.put("derived", std::to_string(content.size()), file);
  }
}

void put_events(const seeds& to) {
  event_view what;
  what.type = "deposited";
  what.data = "{\"cents\":100}";
  store::event_place place;
  place.global_position = 300;
  place.revision = 2;
  place.id.data[3] = 9;
  const std::vector<std::string_view> tags{"account:1", "branch:7"};
  for (int all = 0; all != 2; ++all) {
    byte_vector bytes(store::encoded_event_bytes_max(what));
    bytes.resize(store::encode_event(bytes.data(), what, what.tags, place));
    to.put("event", std::to_string(all), bytes);
    what.metadata = "m";
    what.version = 4;
    what.correlation_id.data[0] = 1;
    what.causation_id.data[0] = 2;
    what.tags = tags;
  }
}

void put_json(const seeds& to) {
  std::size_t n = 0;
  for (
      const char* const text :
      {R"({"id":1,"lines":[{"text":"a\u00e9\n","count":-2,"price":0.1,"free":true}],"tags":{"x":1}})",
       R"([1.5e300,-0.0,18446744073709551615,-9223372036854775808,null,false,"","\ud83d\ude00"])",
       R"([[[[[[[[{"a":{"a":[]}}]]]]]]]])", "1e400", "  {  }  "}) {
    to.put("json", std::to_string(n++), '\x1f' + std::string(text));
  }
}

void put_indexes(const seeds& to) {
  for (const std::uint32_t events : {0U, 3U, 300U}) {
    store::index_writer writer(seed_facts());
    std::vector<std::uint32_t> all(events);
    for (std::uint32_t i = 0; i < events; ++i) all[i] = 8192 + 64 * i;
    if (events != 0) writer.set_offsets(all);
    const std::span<const std::uint32_t> offsets(all);
    if (events != 0) {
      writer.add(store::key_kind::tag, "a", 0, 0, offsets.first(events / 2));
      writer.add(store::key_kind::tag, "some", 0, 0, offsets.last(1));
      // More keys than a page has, of one shape.
      for (std::uint32_t i = 0; i < events / 6; ++i) {
        const std::string name = "b" + std::to_string(100 + i) + std::string(90, 'n');
        writer.add(store::key_kind::stream, name, 0, 1, offsets.subspan(i, 2));
      }
      writer.add(store::key_kind::stream, "long", 5, 5 + events, offsets);
      writer.add(store::key_kind::stream, "zz", 7, 8, {});
      writer.add(store::key_kind::type, "all", 0, 0, offsets);
    }
    writer.finish();
    to.put("index_file", std::to_string(events), writer.take());
  }
}

}  // namespace

}  // namespace nori::fuzz

int main(int argc, char* argv[]) {
  if (argc != 2) {
    std::cerr << "usage: nori-fuzz-seeds FOLDER\n";
    return 2;
  }
  const nori::fuzz::seeds to(argv[1]);
  nori::fuzz::put_records(to);
  nori::fuzz::put_frames(to);
  nori::fuzz::put_segments(to, NORI_TEST_DATA_DIR "/golden");
  nori::fuzz::put_store_files(to);
  nori::fuzz::put_events(to);
  nori::fuzz::put_json(to);
  nori::fuzz::put_indexes(to);
  return 0;
}
