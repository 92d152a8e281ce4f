# Compiler settings of our own targets; none of them reaches a user of the library.

set(NORI_TSAN_SUPPRESSIONS "${PROJECT_SOURCE_DIR}/test/tsan_suppressions.cpp")

if(NORI_SANITIZE)
  # For the whole build: code with and without instrumentation must not mix.
  add_compile_options(-fsanitize=${NORI_SANITIZE} -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${NORI_SANITIZE})
  if(NORI_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Asio's fences are not modelled; g++ says so in every file.
    add_compile_options(-Wno-tsan)
  endif()
endif()

if(NORI_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

function(nori_settings target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  target_compile_options(${target} PRIVATE
    -Wall -Wextra -Wpedantic -Wconversion -Wno-sign-conversion -Woverloaded-virtual -Wextra-semi
    # g++ would also refuse a local variable with the name of a test case.
    # In a unity build clang would say the same of names of other files.
    $<$<CXX_COMPILER_ID:GNU>:-Wshadow=local>
    $<$<NOT:$<OR:$<CXX_COMPILER_ID:GNU>,$<BOOL:${CMAKE_UNITY_BUILD}>>>:-Wshadow>
    # What g++ 12 guesses about inlined optionals and empty copies is wrong; the sanitizers know.
    "$<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized;-Wno-array-bounds;-Wno-restrict>"
    "$<$<CXX_COMPILER_ID:GNU>:-Wno-stringop-overflow;-Wno-stringop-overread;-Wno-mismatched-new-delete>"
    # In a unity build the anonymous namespaces of a source file seem to be a header's.
    $<$<AND:$<CXX_COMPILER_ID:GNU>,$<BOOL:${CMAKE_UNITY_BUILD}>>:-Wno-subobject-linkage>
    # {.key = k, .value = v} is how this library's arguments are written.
    -Wno-missing-field-initializers
    $<$<BOOL:${NORI_WARNINGS_AS_ERRORS}>:-Werror>)
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "EXECUTABLE" AND NORI_SANITIZE MATCHES "thread")
    target_sources(${target} PRIVATE "${NORI_TSAN_SUPPRESSIONS}")
    set_source_files_properties("${NORI_TSAN_SUPPRESSIONS}"
      PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
  endif()
endfunction()

function(nori_precompile target)
  if(NORI_PRECOMPILED_HEADERS)
    target_precompile_headers(${target} PRIVATE
      <algorithm> <array> <atomic> <chrono> <cstdint> <deque> <filesystem> <functional> <map>
      <memory> <mutex> <optional> <span> <string> <string_view> <system_error> <thread> <utility>
      <variant> <vector>
      <boost/asio/any_io_executor.hpp> <boost/asio/awaitable.hpp> <boost/asio/co_spawn.hpp>
      <boost/asio/detached.hpp> <boost/asio/dispatch.hpp> <boost/asio/io_context.hpp>
      <boost/asio/posix/stream_descriptor.hpp> <boost/asio/post.hpp>
      <boost/asio/steady_timer.hpp> <boost/asio/strand.hpp> <boost/asio/this_coro.hpp>
      <boost/asio/thread_pool.hpp> <boost/asio/use_awaitable.hpp> <boost/asio/use_future.hpp>
      <boost/system/result.hpp> <boost/system/system_error.hpp>
      ${ARGN})
  endif()
endfunction()
