#ifndef SQLITE_PROJECTION_DEPOSITS_HPP
#define SQLITE_PROJECTION_DEPOSITS_HPP

#include <boost/describe/class.hpp>

#include <cstdint>
#include <string>

struct deposited {
  std::string account;
  std::int64_t cents = 0;
};
BOOST_DESCRIBE_STRUCT(deposited, (), (account, cents))

/// What the events of an account add up to.
struct total {
  std::int64_t cents = 0;
  std::int64_t events = 0;
};

#endif
