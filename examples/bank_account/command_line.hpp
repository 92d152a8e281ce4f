#ifndef BANK_ACCOUNT_COMMAND_LINE_HPP
#define BANK_ACCOUNT_COMMAND_LINE_HPP

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nori/store/as_of.hpp>

#include "money.hpp"

namespace bank {

extern const std::string_view usage_text;

// Why the command line is wrong.
struct usage_error {
  std::string what;
};

struct arguments {
  std::filesystem::path directory = "./event_store";
  std::string action;  ///< empty: the demonstration
  std::string name;
  money amount;
  std::string currency = "USD";
  std::optional<nori::as_of> when;
};

/// @throws usage_error
[[nodiscard]] arguments parse(const std::vector<std::string_view>& words);

}  // namespace bank

#endif
