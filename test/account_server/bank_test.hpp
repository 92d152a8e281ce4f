#ifndef NORI_TEST_ACCOUNT_SERVER_BANK_TEST_HPP
#define NORI_TEST_ACCOUNT_SERVER_BANK_TEST_HPP

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <filesystem>
#include <string>

#include "server_process.hpp"
#include "support/scratch_directory.hpp"

namespace nori::server_test {

/// A place for servers and their files. In memory: most tests ask for a sync with every command.
struct bank {
  [[nodiscard]] std::filesystem::path dir() const { return scratch.path() / "bank"; }

  test::scratch_directory scratch{test::memory_directory()};
};

/// Opens accounts and puts money into them; the keys are made of the names.
inline void open(server& at, const std::string& name, int balance = 0) {
  BOOST_TEST_REQUIRE(
      at.post("/accounts", R"({"account":")" + name + "\"}", "open-" + name).status == 201);
  if (balance == 0) return;
  BOOST_TEST_REQUIRE(at.post("/accounts/" + name + "/deposit",
                             "{\"amount\":" + std::to_string(balance) + "}", "first-" + name)
                         .status == 200);
}

inline std::int64_t balance_of(server& at, const std::string& name) {
  return at.get("/accounts/" + name).at("/balance").as_int64();
}

}  // namespace nori::server_test

#endif
