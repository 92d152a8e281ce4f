#include <nori/error.hpp>

#include <set>

#include <boost/test/unit_test.hpp>

using nori::errc;

BOOST_AUTO_TEST_SUITE(error)

BOOST_AUTO_TEST_CASE(every_code_says_something_of_its_own) {
  std::set<std::string> messages;
  for (int code = 1; code <= static_cast<int>(errc::poisonous_event); ++code)
    messages.insert(make_error_code(static_cast<errc>(code)).message());
  BOOST_TEST(messages.size() == static_cast<std::size_t>(errc::poisonous_event));
  BOOST_TEST(messages.count(nori::error_category().message(99)) == 0u);
  BOOST_TEST(messages.count(nori::error_category().message(0)) == 0u);
}

BOOST_AUTO_TEST_CASE(a_message_fits_into_a_buffer_of_any_size) {
  const std::string whole = make_error_code(errc::closed).message();
  for (std::size_t bytes = 1; bytes != whole.size() + 5; ++bytes) {
    std::string buffer(bytes, 'x');
    const char* const text =
        nori::error_category().message(static_cast<int>(errc::closed), buffer.data(), bytes);
    BOOST_TEST(std::string(text) == whole.substr(0, bytes - 1));
  }
  char untouched = 'x';
  // In parentheses: a comparison of pointers, not of strings.
  BOOST_TEST((nori::error_category().message(1, &untouched, 0) == &untouched));
  BOOST_TEST(untouched == 'x');
}

BOOST_AUTO_TEST_CASE(a_thrown_error_carries_code_and_detail) {
  try {
    nori::throw_error(errc::corruption, "segment 3 at 8192");
  } catch (const boost::system::system_error& e) {
    BOOST_TEST((e.code() == errc::corruption));
    BOOST_TEST((e.code() != errc::closed));
    BOOST_TEST(std::string(e.what()).find("segment 3 at 8192") == 0u);
    BOOST_TEST(std::string(e.code().category().name()) == "nori");
    return;
  }
  BOOST_ERROR("nothing was thrown");
}

BOOST_AUTO_TEST_SUITE_END()
