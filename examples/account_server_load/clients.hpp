#ifndef ACCOUNT_SERVER_LOAD_CLIENTS_HPP
#define ACCOUNT_SERVER_LOAD_CLIENTS_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "latencies.hpp"

namespace load {

/// What a server gives: as many connections, each of which deposits into an account of its own,
/// again when the last deposit is answered. Opens the accounts first.
/// @throws std::runtime_error where an answer is anything but a success
[[nodiscard]] figures measure_server(std::uint16_t port, const std::string& token,
                                     std::size_t connections, std::chrono::milliseconds how_long);

}  // namespace load

#endif
