// A rule about several streams: a course has two places, a student takes two courses at most. What
// was read for the decision is a query; the append fails if anything has come that it matches.

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "example.hpp"

namespace {

enum class answer { enrolled, course_is_full, student_is_busy };

asio::awaitable<answer> enrol(nori::event_store& store, std::string student, std::string course) {
  const std::string of_student = "student:" + student;
  const std::string of_course = "course:" + course;
  const nori::query both{nori::query_item({"enrolled"}, {of_student}),
                         nori::query_item({"enrolled"}, {of_course})};
  for (;;) {
    nori::read_events how;
    how.filter.matching = both;
    nori::event_reader events = store.read_all(how);
    std::size_t courses = 0;
    std::size_t students = 0;
    while (const auto event = co_await events.next()) {
      for (const std::string_view tag : event->tags) {
        if (tag == of_student) ++courses;
        if (tag == of_course) ++students;
      }
    }
    if (students >= 2) co_return answer::course_is_full;
    if (courses >= 2) co_return answer::student_is_busy;

    const std::array<std::string_view, 2> tags{of_student, of_course};
    const std::array<nori::event_view, 1> enrolled{
        nori::event_view{.type = "enrolled", .tags = tags}};
    nori::append_request request;
    request.to("enrolments", nori::expected_revision::any(), enrolled)
        .fail_if_match(both, events.watermark());
    const nori::append_result result = co_await store.append(request);
    if (result) co_return answer::enrolled;
    // Somebody enrolled meanwhile, this student or in this course: count again.
  }
}

asio::awaitable<void> show(nori::store_config options) {
  auto [store, recovered] = co_await nori::event_store::open(options);
  check(co_await enrol(store, "ann", "maths") == answer::enrolled);
  check(co_await enrol(store, "bob", "maths") == answer::enrolled);
  check(co_await enrol(store, "cem", "maths") == answer::course_is_full);
  check(co_await enrol(store, "ann", "music") == answer::enrolled);
  check(co_await enrol(store, "ann", "art") == answer::student_is_busy);

  // A condition on what was read long ago: bob has enrolled since.
  const std::array<nori::event_view, 1> closed{nori::event_view{.type = "course_closed"}};
  nori::append_request request;
  request.to("courses", nori::expected_revision::any(), closed)
      .fail_if_match(nori::query::with_tags({"course:maths"}), 0);
  const nori::append_result late = co_await store.append(request);
  check(late.has_error() && late.error().what == nori::conflict::kind::matching_event);
  check(late.error().global_position == 1);
  std::cout << late.error().message() << '\n';
  co_await store.close();
}

}  // namespace

int main(int argc, char* argv[]) { return run(argc, argv, show); }
