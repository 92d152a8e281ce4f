#ifndef NORI_STORAGE_ENDING_HPP
#define NORI_STORAGE_ENDING_HPP

#include <boost/asio/execution_context.hpp>

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace nori::storage {

namespace asio = boost::asio;

/// Shuts down what works for an execution context when that goes away, before its reactor does.
class ending_with_context final : public asio::execution_context::service {
 public:
  static asio::execution_context::id id;  // NOLINT: the name that Asio looks for

  explicit ending_with_context(asio::execution_context& context)
      : asio::execution_context::service(context) {}

  /// A place for one thing: adding it takes no memory then.
  class place {
   public:
    explicit place(ending_with_context& in) : in_(&in) {
      const std::lock_guard lock(in.mutex_);
      std::erase_if(in.entries_, [](const entry& known) { return known.what.expired(); });
      in.entries_.reserve(in.entries_.size() + in.places_ + 1);
      ++in.places_;
    }
    place(place&& other) noexcept : in_(std::exchange(other.in_, nullptr)) {}
    place(const place&) = delete;
    place& operator=(const place&) = delete;
    place& operator=(place&&) = delete;
    ~place() {
      if (in_ == nullptr) return;
      const std::lock_guard lock(in_->mutex_);
      --in_->places_;
    }

    /// Calls `what`'s shutdown() when the context goes, if it is still there; now, where it is
    /// going.
    template <typename Ending>
    void take(const std::shared_ptr<Ending>& what) noexcept {
      ending_with_context& in = *std::exchange(in_, nullptr);
      {
        const std::lock_guard lock(in.mutex_);
        --in.places_;
        if (!in.ended_) {
          in.entries_.push_back(
              {what, [](void* ending) noexcept { static_cast<Ending*>(ending)->shutdown(); }});
          return;
        }
      }
      what->shutdown();
    }

   private:
    ending_with_context* in_;
  };

  template <typename Ending>
  void add(const std::shared_ptr<Ending>& what) {
    place(*this).take(what);
  }

 private:
  struct entry {
    std::weak_ptr<void> what;
    void (*end)(void*) noexcept;
  };

  void shutdown() noexcept override;

  std::mutex mutex_;
  std::vector<entry> entries_;
  std::size_t places_ = 0;  ///< still to be taken: there is room for them
  bool ended_ = false;
};

}  // namespace nori::storage

#endif
