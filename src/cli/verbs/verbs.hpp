#ifndef NORI_CLI_VERBS_VERBS_HPP
#define NORI_CLI_VERBS_VERBS_HPP

#include <boost/asio/awaitable.hpp>

#include "arguments.hpp"
#include "output.hpp"
#include "status.hpp"

namespace nori::cli {

namespace asio = boost::asio;

// Each does what its name says and gives the status to end with; `with` and `to` outlive it.
[[nodiscard]] asio::awaitable<int> info(const arguments& with, output& to);
[[nodiscard]] asio::awaitable<int> cat(const arguments& with, output& to);
[[nodiscard]] asio::awaitable<int> tail(const arguments& with, output& to);
[[nodiscard]] asio::awaitable<int> streams(const arguments& with, output& to);
[[nodiscard]] asio::awaitable<int> show(const arguments& with, output& to);
[[nodiscard]] asio::awaitable<int> find(const arguments& with, output& to);
[[nodiscard]] asio::awaitable<int> verify(const arguments& with, output& to);
[[nodiscard]] asio::awaitable<int> backup(const arguments& with, output& to);
[[nodiscard]] asio::awaitable<int> restore(const arguments& with, output& to);
[[nodiscard]] asio::awaitable<int> repair(const arguments& with, output& to);
[[nodiscard]] asio::awaitable<int> prune(const arguments& with, output& to);
[[nodiscard]] asio::awaitable<int> reindex(const arguments& with, output& to);
[[nodiscard]] asio::awaitable<int> export_log(const arguments& with, output& to);
[[nodiscard]] asio::awaitable<int> import_log(const arguments& with, output& to);
[[nodiscard]] asio::awaitable<int> bench(const arguments& with, output& to);
[[nodiscard]] asio::awaitable<int> top(const arguments& with, output& to);

}  // namespace nori::cli

#endif
