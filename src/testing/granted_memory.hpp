#ifndef NORI_TESTING_GRANTED_MEMORY_HPP
#define NORI_TESTING_GRANTED_MEMORY_HPP

namespace nori::testing {

/// While there is one, this thread gets the memory that it asks for: a test in which memory runs
/// out leaves alone what a simulation needs for itself, which stands for the kernel's.
class granted_memory {
 public:
  granted_memory() noexcept { ++depth; }
  ~granted_memory() { --depth; }
  granted_memory(const granted_memory&) = delete;
  granted_memory& operator=(const granted_memory&) = delete;

  [[nodiscard]] static bool given() noexcept { return depth != 0; }

  /// While there is one, nothing is granted that was before.
  class withdrawn {
   public:
    withdrawn() noexcept : before_(depth) { depth = 0; }
    ~withdrawn() { depth = before_; }
    withdrawn(const withdrawn&) = delete;
    withdrawn& operator=(const withdrawn&) = delete;

   private:
    const int before_;
  };

 private:
  static inline thread_local int depth = 0;
};

}  // namespace nori::testing

#endif
