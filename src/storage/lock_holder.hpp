#ifndef NORI_STORAGE_LOCK_HOLDER_HPP
#define NORI_STORAGE_LOCK_HOLDER_HPP

namespace nori::storage {

/// Writes into the lock file which process holds it. A hint for others who wait.
void name_lock_holder(int fd) noexcept;

/// Whether the process that the lock file names has ended; false where that can't be told.
[[nodiscard]] bool lock_holder_has_ended(int fd) noexcept;

}  // namespace nori::storage

#endif
