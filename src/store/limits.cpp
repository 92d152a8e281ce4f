#include "store/limits.hpp"

#include <algorithm>
#include <string>

#include <nori/error.hpp>

namespace nori::store {

namespace {

void check_name(const char* what, std::string_view name, std::size_t bytes_max) {
  if (name.empty() || name.size() > bytes_max) {
    throw_error(errc::invalid_event, std::string(what) + " of " + std::to_string(name.size()) +
                                         " bytes: 1 to " + std::to_string(bytes_max) +
                                         " are allowed");
  }
  const bool printable = std::none_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  if (!printable) {
    throw_error(errc::invalid_event, std::string(what) + " holds a control character");
  }
}

}  // namespace

void check_stream_name(std::string_view name) {
  check_name("stream name", name, stream_name_bytes_max);
}

void check_event(const event_view& what) {
  check_name("event type", what.type, type_name_bytes_max);
  if (what.metadata.size() > metadata_bytes_max) {
    throw_error(errc::invalid_event, "metadata of " + std::to_string(what.metadata.size()) +
                                         " bytes: at most " + std::to_string(metadata_bytes_max) +
                                         " are allowed");
  }
  if (what.tags.size() > tags_max) {
    throw_error(errc::invalid_event, std::to_string(what.tags.size()) + " tags: at most " +
                                         std::to_string(tags_max) + " are allowed");
  }
  for (std::size_t i = 0; i < what.tags.size(); ++i) {
    check_name("tag", what.tags[i], tag_bytes_max);
    for (std::size_t j = 0; j < i; ++j) {
      if (what.tags[i] == what.tags[j]) throw_error(errc::invalid_event, "a tag is given twice");
    }
  }
}

void check_query(const query& what) {
  for (const query_item& item : what.items) {
    for (const std::string& type : item.types) check_name("event type", type, type_name_bytes_max);
    for (const std::string& tag : item.tags) check_name("tag", tag, tag_bytes_max);
  }
}

}  // namespace nori::store
