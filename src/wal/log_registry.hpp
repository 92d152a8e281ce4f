#ifndef NORI_WAL_LOG_REGISTRY_HPP
#define NORI_WAL_LOG_REGISTRY_HPP

#include <boost/asio/execution_context.hpp>

#include <mutex>
#include <set>

namespace nori {

class log;

/// The logs that work on an execution context. When the context is destroyed, coroutines that wait
/// for a log are destroyed with it: they own the log, and the log holds their handlers, so nobody
/// else would.
class log_registry : public boost::asio::execution_context::service {
 public:
  using key_type = log_registry;
  static boost::asio::execution_context::id id;

  explicit log_registry(boost::asio::execution_context& context) : service(context) {}

  void add(log& added);
  void remove(log& removed) noexcept;

 private:
  void shutdown() override;

  std::mutex mutex_;
  std::set<log*> logs_;
};

}  // namespace nori

#endif
