// A whole segment and what recovery says of it. The input is short for an image: a byte of options,
// the 112 bytes of the header from its version on, then everything behind the header.
//   bit 0: the crc of the header is wrong        bit 1: only the second copy of it is there
//   bit 2: the file is longer than what was written, by zeros
// The mutator mends crcs, and mostly also the chain, so that hostile frames get past them.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "engine/chain_scanner.hpp"
#include "engine/recovery.hpp"
#include "format/crc32c.hpp"
#include "format/record_codec.hpp"
#include "format/segment_header.hpp"
#include "fuzz/fuzz.hpp"

using namespace nori;
using namespace nori::engine;
using namespace nori::format;
using namespace nori::fuzz;

namespace {

constexpr std::size_t fields_bytes = 112;
constexpr std::size_t prefix_bytes = 1 + fields_bytes;

std::vector<std::byte> image_of(std::span<const std::byte> input) {
  front from(input);
  const auto options = from.take<std::uint8_t>();
  const std::span<const std::byte> rest = from.rest();
  const std::size_t fields = std::min(rest.size(), fields_bytes);
  const std::span<const std::byte> frames = rest.subspan(fields);
  std::vector<std::byte> image(segment_header_bytes + frames.size() +
                               ((options & 4) != 0 ? 2048 : 0));
  store_segment_header(image.data(), {});
  std::copy_n(rest.begin(), fields, image.begin() + 8);
  std::uint32_t crc = crc32c(0, image.data(), block_bytes - 4);
  if ((options & 1) != 0) ++crc;
  std::memcpy(image.data() + block_bytes - 4, &crc, sizeof crc);
  std::copy_n(image.begin(), block_bytes, image.begin() + block_bytes);
  if ((options & 2) != 0) std::fill_n(image.begin(), block_bytes, std::byte{0});
  std::copy(frames.begin(), frames.end(), image.begin() + segment_header_bytes);
  return image;
}

chain_state chain_before(const segment_header& header) {
  return {header.first_sequence - 1, header.previous_crc, header.epoch, header.records_before, 0};
}

// Every frame up to `end` is one that a writer could have written, byte for byte.
void check_frames(std::span<const std::byte> image, const segment_header& header,
                  std::uint64_t end) {
  const std::uint32_t seed = segment_seed(header.log, header.segment_id);
  for (std::uint64_t at = segment_header_bytes; at != end;) {
    require(at < end, "the end is that of a frame");
    const frame_check frame = check_frame(image.subspan(at), seed, end - at);
    require(frame.verdict == frame_verdict::valid, "what is recovered is a frame");
    if (frame.header.kind == frame_kind::record) {
      decoded_record body;
      (void)decode_record(image.subspan(at + frame_header_bytes, frame.header.length),
                          std::uint64_t{1} << 20, body);
    }
    at += frame_bytes(frame.header.length);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::byte> image = image_of(bytes_of(data, size));
  const std::span<const std::byte> bytes(image);
  const header_check head = check_segment_header(bytes.first(segment_header_bytes));

  log_identity identity;
  identity.log = head.header.log;
  identity.first_segment_id = head.header.segment_id;
  identity.last_segment_id = head.header.segment_id;
  segment_file file;
  file.id = head.header.segment_id;
  file.bytes = image.size();
  file.header = head;
  {
    const allocation_bound few(4096);
    const catalog found = judge_files({file}, identity);
    require(
        found.begun.size() + found.unbegun.size() + found.deleted.size() + found.beyond.size() <= 1,
        "a file is one thing");
  }
  if (head.verdict != header_verdict::valid) return 0;

  const std::uint32_t seed = segment_seed(head.header.log, head.header.segment_id);
  // At once, and in two pieces, as a reader with a small buffer has it.
  chain_scanner scanner(seed, chain_before(head.header), segment_header_bytes, image.size());
  const auto stopped = scanner.feed(bytes.subspan(segment_header_bytes));
  chain_scanner in_pieces(seed, chain_before(head.header), segment_header_bytes, image.size());
  const std::size_t half = (image.size() - segment_header_bytes) / 2;
  const auto first = in_pieces.feed(bytes.subspan(segment_header_bytes, half));
  if (first.stop == scan_stop::more) {
    require(first.needed_bytes > half - first.consumed, "more bytes are asked for");
    in_pieces.feed(bytes.subspan(segment_header_bytes + first.consumed));
  }
  require(in_pieces.offset() == scanner.offset() &&
              in_pieces.last_batch().offset == scanner.last_batch().offset,
          "pieces make no difference");
  require(stopped.consumed == scanner.offset() - segment_header_bytes, "what was used is counted");
  const chain_scanner::committed& last = scanner.last_batch();
  require(last.offset <= scanner.offset() && scanner.offset() <= image.size(),
          "the end lies in the file");
  check_frames(bytes, head.header, last.offset);

  const std::span<const std::byte> rest = bytes.subspan(last.offset);
  end_evidence evidence{false, scanner.offset() != last.offset, false};
  evidence.rest_zero =
      std::all_of(rest.begin(), rest.end(), [](std::byte b) { return b == std::byte{0}; });
  {
    const allocation_bound few(4096 + rest.size());
    const auto proof = find_proof(rest, seed, last.chain.sequence + 1, image.size());
    evidence.proof = proof.has_value();
    if (proof) {
      const frame_header later = load_frame_header(rest.data() + *proof);
      require(later.sequence > last.chain.sequence + 1 &&
                  later.durable_watermark() > last.chain.sequence,
              "the proof is one");
    }
  }
  const end_verdict verdict = judge_end(evidence);
  require((verdict == end_verdict::corruption) == evidence.proof, "proof decides");
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t size_max, unsigned random) {
  size = LLVMFuzzerMutate(data, size, size_max);
  if (random % 4 == 0 || size < prefix_bytes) return size;
  segment_header header;
  std::memcpy(&header.log, data + 1 + 8, sizeof header.log);
  std::memcpy(&header.segment_id, data + 1 + 24, 8);
  std::memcpy(&header.first_sequence, data + 1 + 32, 8);
  std::memcpy(&header.previous_crc, data + 1 + 72, 4);
  std::memcpy(&header.epoch, data + 1 + 76, 4);
  const std::uint32_t seed = segment_seed(header.log, header.segment_id);
  std::byte* const bytes = reinterpret_cast<std::byte*>(data) + prefix_bytes;
  const std::size_t count = size - prefix_bytes;
  std::uint64_t sequence = header.first_sequence;
  std::uint32_t crc = header.previous_crc;
  // The chain holds up to some frame.
  std::size_t chained = random % 4 == 1 ? random / 4 % 8 : count;
  for (std::size_t at = 0; at + frame_header_bytes <= count;) {
    frame_header frame = load_frame_header(bytes + at);
    if (frame_bytes(frame.length) > count - at) {
      frame.length =
          static_cast<std::uint32_t>(frame.length % (count - at - frame_header_bytes + 1));
      if (frame_bytes(frame.length) > count - at) break;
    }
    if (chained != 0) {
      --chained;
      frame.sequence = sequence++;
      frame.previous_crc = crc;
      if (frame.kind != frame_kind::epoch && random / 32 % 4 != 0) frame.epoch = header.epoch;
      if (frame.kind == frame_kind::epoch) header.epoch = frame.epoch;
    }
    crc = seal_frame(bytes + at, frame, seed);
    at += static_cast<std::size_t>(frame_bytes(frame.length));
  }
  return size;
}
