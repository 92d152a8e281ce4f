#include <nori/error.hpp>

#include <algorithm>
#include <cstring>

namespace nori {
namespace {

const char* text_of(int code) noexcept {
  switch (static_cast<errc>(code)) {
    case errc::invalid_config:
      return "an option has a bad value: correct the option named";
    case errc::record_too_large:
      return "the key and value are larger than record_bytes_max: split the record or raise the "
             "limit";
    case errc::batch_too_large:
      return "the batch does not fit into the buffer or a segment: append fewer records at once or "
             "raise buffer_bytes_max and segment_bytes_max";
    case errc::would_block:
      return "the buffer is full: try again later or use append, which waits";
    case errc::closed:
      return "the log was closed: open it again";
    case errc::log_failed:
      return "an earlier write or sync failed: close the log, see to the disk, and open it again";
    case errc::append_in_doubt:
      return "the record may or may not be in the log: reopen the log and look before appending it "
             "again";
    case errc::no_space:
      return "the disk, the quota or the file size limit is reached: make room and append again";
    case errc::locked:
      return "another process, or another wal of this one, has the log open: close it there, or "
             "open with "
             "access::read_only";
    case errc::corruption:
      return "acknowledged data is damaged: restore a copy, or open with recovery_mode::salvage to "
             "keep "
             "what lies before the damage";
    case errc::unsupported_format:
      return "the file was written by a later version of nori: open it with that version";
    case errc::position_not_found:
      return "no record starts at this position: start again at first_position()";
    case errc::insecure_directory:
      return "others may write to the directory: take the permission away with chmod go-w";
    case errc::read_only:
      return "the log was opened with access::read_only: open it with access::read_write";
    case errc::backend_unavailable:
      return "the requested backend can't run here: choose backend::automatic";
    case errc::invalid_event:
      return "a name, a tag or a size is not allowed: correct what is named";
    case errc::conflict:
      return "the store is not as the append expected it: look at what was found and decide again";
    case errc::not_an_event:
      return "the log holds a record that is no event: open it as a wal, or name another directory";
    case errc::undecodable_event:
      return "an event can't be decoded: register its type, an upcaster, or a handler for such "
             "events";
    case errc::fold_failed:
      return "a projection's fold function threw: correct it and run the projection again";
    case errc::poisonous_event:
      return "an event used up its attempts: correct what handles it and run the group again, or "
             "have such events parked";
  }
  return "unknown nori error";
}

class category final : public boost::system::error_category {
 public:
  // The id makes categories equal across shared libraries that each contain a copy.
  constexpr category() noexcept : error_category(0x6e6f72695f77616c) {}

  const char* name() const noexcept override { return "nori"; }
  std::string message(int code) const override { return text_of(code); }
  const char* message(int code, char* buffer, std::size_t bytes) const noexcept override {
    if (bytes == 0) return buffer;
    const char* const text = text_of(code);
    const std::size_t length = std::min(std::strlen(text), bytes - 1);
    std::memcpy(buffer, text, length);
    buffer[length] = '\0';
    return buffer;
  }
};

constinit const category the_category;

}  // namespace

const boost::system::error_category& error_category() noexcept { return the_category; }

boost::system::error_code make_error_code(errc code) noexcept {
  return {static_cast<int>(code), error_category()};
}

void throw_error(errc code, const std::string& detail) {
  throw boost::system::system_error(make_error_code(code), detail);
}

}  // namespace nori
