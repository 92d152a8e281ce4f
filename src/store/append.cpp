#include <nori/store/append.hpp>

#include <string>

#include <nori/error.hpp>

namespace nori {

namespace {

std::string text_of(const expected_revision& expected) {
  switch (expected.which()) {
    case expected_revision::kind::any:
      return "any revision";
    case expected_revision::kind::no_stream:
      return "no stream";
    case expected_revision::kind::stream_exists:
      return "an existing stream";
    case expected_revision::kind::exact:
      return "revision " + std::to_string(expected.revision());
  }
  return "?";
}

}  // namespace

std::string conflict::message() const {
  const std::string at =
      global_position ? " at global position " + std::to_string(*global_position) : std::string();
  switch (what) {
    case kind::wrong_revision:
      return "stream \"" + stream + "\": expected " + text_of(expected) + ", found " +
             (revision ? "revision " + std::to_string(*revision) : "no stream");
    case kind::partly_repeated:
      return "stream \"" + stream + "\": some of the events are there already" + at;
    case kind::matching_event:
      return "an event matches the condition" + at;
    case kind::existing_event:
      return "an event that may not exist does" + at;
  }
  return "conflict";
}

void throw_exception_from_error(const conflict& what, const boost::source_location& /*where*/) {
  throw_error(errc::conflict, what.message());
}

}  // namespace nori
