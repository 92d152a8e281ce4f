#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>

#include "verbs/verbs.hpp"

namespace {

using namespace nori::cli;

struct named_verb {
  std::string_view name;
  boost::asio::awaitable<int> (*run)(const arguments&, output&);
};
constexpr std::array<named_verb, 16> verbs{{
    {"info", info},
    {"cat", cat},
    {"tail", tail},
    {"streams", streams},
    {"show", show},
    {"find", find},
    {"verify", verify},
    {"backup", backup},
    {"restore", restore},
    {"repair", repair},
    {"prune", prune},
    {"reindex", reindex},
    {"export", export_log},
    {"import", import_log},
    {"bench", bench},
    {"top", top},
}};

// An error on standard error, with what to do about it.
int report(const arguments& with, const std::string& what, const outcome& found) {
  std::fflush(stdout);
  if (with.json) {
    boost::json::object made;
    made["error"] = printable(what);
    if (!found.advice.empty()) made["advice"] = printable(found.advice);
    made["status"] = found.status;
    std::cerr << boost::json::serialize(made) << '\n';
    return found.status;
  }
  std::cerr << "nori: " << printable(what) << '\n';
  std::string_view advice = found.advice;
  while (!advice.empty()) {
    const auto end = std::min(advice.find('\n'), advice.size());
    std::cerr << "  " << printable(advice.substr(0, end)) << '\n';
    advice.remove_prefix(std::min(end + 1, advice.size()));
  }
  return found.status;
}

int run(const arguments& with) {
  output to(with);
  boost::asio::io_context context;
  int status = status_failed;
  std::exception_ptr failure;
  for (const named_verb& each : verbs) {
    if (each.name != with.verb) continue;
    boost::asio::co_spawn(context, each.run(with, to), [&](std::exception_ptr error, int given) {
      failure = error;
      status = given;
    });
  }
  context.run();
  if (failure) std::rethrow_exception(failure);
  return status;
}

}  // namespace

int main(int argc, char* argv[]) {
  arguments with;
  try {
    const auto read = read_arguments(argc, argv);
    if (const int* const status = std::get_if<int>(&read)) return *status;
    with = std::get<arguments>(read);
    const int status = run(with);
    if (std::fflush(stdout) != 0) {
      return report(with, "standard output: can't be written", {status_failed, {}});
    }
    return status;
  } catch (const stop& error) {
    return report(with, error.what(), {error.status(), error.advice()});
  } catch (const boost::system::system_error& error) {
    return report(with, text_of(error), judge(error.code(), with.dir));
  } catch (const std::exception& error) {
    return report(with, error.what(), {status_failed, {}});
  }
}
