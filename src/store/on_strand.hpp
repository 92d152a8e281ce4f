#ifndef NORI_STORE_ON_STRAND_HPP
#define NORI_STORE_ON_STRAND_HPP

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

namespace nori::store {

namespace asio = boost::asio;

/// Runs a coroutine on a strand, while the caller waits on its own executor. Every type of
/// cancellation reaches it, on the strand.
///
/// What asio::co_spawn does about cancellation from elsewhere is not enough: in Asio 1.26 the
/// signal may be gone by the time it is emitted on the other executor.
[[nodiscard]] asio::awaitable<void> run_on_strand(asio::any_io_executor strand,
                                                  asio::awaitable<void> what);

}  // namespace nori::store

#endif
