#include <nori/store/event.hpp>

#include <boost/uuid/random_generator.hpp>

namespace nori {

uuid random_uuid() {
  // A generator of its own for each thread, seeded by the operating system.
  thread_local boost::uuids::random_generator_mt19937 generator;
  return generator();
}

event recorded_event::to_event() const {
  event made{std::string(type), std::string(data)};
  made.metadata = metadata;
  made.tags.assign(tags.begin(), tags.end());
  made.version = version;
  made.id = id;
  made.correlation_id = correlation_id;
  made.causation_id = causation_id;
  return made;
}

}  // namespace nori
