#include <nori/error.hpp>
#include <nori/store/undecodable.hpp>

namespace nori {

std::string decode_error::message() const { return path.empty() ? what : path + " " + what; }

void throw_exception_from_error(const decode_error& why, const boost::source_location&) {
  throw_error(errc::undecodable_event, why.message());
}

undecodable::undecodable(const recorded_event& event, std::string_view its_type,
                         std::uint32_t its_version, decode_error its_why)
    : global_position(event.global_position),
      revision(event.revision),
      type(its_type),
      version(its_version),
      why(std::move(its_why)) {}

std::string undecodable::message() const {
  return "event at global position " + std::to_string(global_position) + " (revision " +
         std::to_string(revision) + " of its stream), type " + type + " version " +
         std::to_string(version) + ": " + why.message();
}

void throw_undecodable(const undecodable& what) {
  throw_error(errc::undecodable_event, what.message());
}

}  // namespace nori
