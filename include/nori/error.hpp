#ifndef NORI_ERROR_HPP
#define NORI_ERROR_HPP

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>
#include <boost/system/system_error.hpp>

#include <string>

namespace nori {

/// What nori reports, beside the operating system's own error codes.
///
/// Every exception is a boost::system::system_error. Its code is one of these; its text names the
/// file, offset or option and what to do next, never a key or a value.
enum class errc {
  invalid_config = 1,  ///< an option has a bad value; the text names it
  record_too_large,    ///< key and value exceed config::record_bytes_max; nothing was written
  batch_too_large,     ///< the batch does not fit into the buffer or a segment; nothing was written
  would_block,         ///< try_append: the buffer is full; nothing was written
  closed,              ///< the log was closed
  log_failed,          ///< an earlier write or sync failed; reopen the log
  append_in_doubt,     ///< the record may or may not be found by recovery
  no_space,    ///< the disk, the quota or the file size limit is reached; nothing was written
  locked,      ///< another opener owns the directory
  corruption,  ///< acknowledged data is damaged
  unsupported_format,   ///< written by a later version of nori
  position_not_found,   ///< no record starts there: it was deleted, or never was
  insecure_directory,   ///< others may write to the directory
  read_only,            ///< the log was opened with access::read_only
  backend_unavailable,  ///< the requested backend can't run here
  // Of the event store.
  invalid_event,      ///< a name, a tag or a size is not allowed; nothing was appended
  conflict,           ///< a conflict that nobody looked at; nothing was appended
  not_an_event,       ///< the log holds a record that no event store wrote
  undecodable_event,  ///< an event can't be decoded or upcast; the text names position and type
  fold_failed,        ///< a projection's fold function threw; the text names position and type
  poisonous_event,    ///< an event used up its attempts, and its consumer group was told to stop
};

[[nodiscard]] const boost::system::error_category& error_category() noexcept;
[[nodiscard]] boost::system::error_code make_error_code(errc code) noexcept;

/// Throws a system_error with `code`, whose text is `detail`.
[[noreturn]] void throw_error(errc code, const std::string& detail);

}  // namespace nori

template <>
struct boost::system::is_error_code_enum<nori::errc> : std::true_type {};

#endif
