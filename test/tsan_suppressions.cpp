#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NORI_THREAD_SANITIZER
#endif
#endif
#ifdef __SANITIZE_THREAD__
#define NORI_THREAD_SANITIZER
#endif

#ifdef NORI_THREAD_SANITIZER
// Asio counts the owners of an executor with a release and an acquire fence. The sanitizer does not
// model fences, and takes the last owner's delete for a race with those before.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "race:boost::asio::execution::detail::any_executor_base::destroy_shared\n";
}
#endif
