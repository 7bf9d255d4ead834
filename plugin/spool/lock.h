#pragma once
// One owner per spool.

#include <memory>
#include <string>

#include "plugin/base/result.h"

namespace hubrev {

// Holds `<root>/lock` from take() to its end. Between processes it is a POSIX record lock, which
// ends with the process however that dies and is not inherited by a fork; such locks do not exclude
// within one process, so a table of this process does. Movable; thread-safe.
class SpoolLock {
 public:
  // Precondition: `root` is a folder. kConfig when somebody else holds the lock, or the file system
  // has none; io when the lock file cannot be written.
  static Result<SpoolLock> take(const std::string& root);
  ~SpoolLock();
  SpoolLock(SpoolLock&&) noexcept;
  SpoolLock& operator=(SpoolLock&&) noexcept;

 private:
  struct Held;
  explicit SpoolLock(std::unique_ptr<Held> held);
  std::unique_ptr<Held> held_;
};

}  // namespace hubrev
