// NORI_SANITIZED: operator new and malloc are the sanitizer's own and must stay.

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define NORI_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define NORI_SANITIZED
#endif
#endif
