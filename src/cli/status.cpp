#include "status.hpp"

#include <nori/error.hpp>

#include "files.hpp"

namespace nori::cli {

std::string damage_advice(const std::string& dir, bool verified) {
  if (!has_segments(dir)) {
    return "there is no *.segment in it: is it the directory that the service gives as "
           "config.dir?\nif it is, go back to a backup: nori restore BACKUP NEW-DIR";
  }
  return (verified ? "" : "see how much is damaged: nori verify " + dir + "\n") +
         "keep what can be kept: nori repair " + dir +
         " NEW-DIR\nor go back to a backup: nori restore BACKUP NEW-DIR";
}

outcome judge(const boost::system::error_code& code, const std::string& dir) {
  namespace sys = boost::system::errc;
  if (code == errc::corruption) return {status_damaged, damage_advice(dir)};
  if (code == errc::locked) {
    return {status_in_use,
            "a service is using it: stop the service first (info, cat, tail, verify and backup "
            "work beside it)"};
  }
  if (code == errc::unsupported_format) {
    return {status_failed, "use the nori that wrote it, or a later one"};
  }
  if (code == errc::position_not_found) {
    return {status_not_there, "see which positions there are: nori info " + dir};
  }
  if (code == errc::insecure_directory) return {status_failed, {}};  // its text says what to do
  if (code == errc::not_an_event) {
    return {status_failed, "it is a plain log, not an event store: use cat, tail or verify"};
  }
  if (code == errc::no_space || code == sys::no_space_on_device) {
    return {status_failed, "make room on that disk, then do it again"};
  }
  if (code == sys::no_such_file_or_directory || code == sys::not_a_directory) {
    return {status_not_there,
            "name the directory that the service gives as config.dir; it holds "
            "a file \"log\" and files *.segment"};
  }
  if (code == sys::permission_denied || code == sys::operation_not_permitted) {
    return {status_failed, "run as the user that the service runs as (ls -ld " + dir + ")"};
  }
  if (code == sys::read_only_file_system) {
    return {status_failed,
            "it is on a read-only file system: back it up to another, and work "
            "there"};
  }
  return {status_failed, {}};
}

std::string text_of(const boost::system::system_error& error) {
  std::string text = error.what();
  // " [category:value]"
  const auto code = text.rfind(" [");
  if (code != std::string::npos && text.ends_with(']')) text.erase(code);
  const auto general = text.rfind(": " + error.code().message());
  const bool says_all = error.code() == errc::corruption || error.code() == errc::invalid_config;
  if (general != std::string::npos && says_all) text.erase(general);
  return text;
}

}  // namespace nori::cli
