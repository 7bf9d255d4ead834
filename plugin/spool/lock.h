#pragma once
// The two rights to a spool, each of which one process at a time has. A training that pushes takes
// both; one that only freezes and a 'sync' on another machine share a spool by taking one each.

#include <memory>
#include <optional>
#include <string>

#include "plugin/base/result.h"

namespace hubrev {

enum class SpoolRight {
  kSubmit,  // to add jobs, and to freeze skipped ones; `<root>/lock.submit`
  kPush,    // to push, change and end jobs that were added; `<root>/lock`
};

// Holds a right from take() to its end. Between processes it is a POSIX record lock, which ends
// with the process however that dies, is not inherited by a fork, and reaches other machines where
// the file system passes it on (NFS; Lustre mounted with `flock`). Where it does not (Lustre with
// `localflock`), and where the holder lost it by closing another descriptor of its file, the
// holder's name in the file and its heart beat exclude them. Such locks do not exclude within one
// process, so a table of this process does. Movable; thread-safe.
class SpoolLock {
 public:
  // Precondition: `root` is a folder. kConfig names who has the right, or says that the file system
  // knows no locks; io when the lock file cannot be written. Waits a few seconds for somebody who
  // only borrowed it, and to see whether a process that did not give it back lives: one on another
  // machine, or one here that was heard of within the last minute.
  static Result<SpoolLock> take(const std::string& root, SpoolRight right);
  // For a moment. nullopt, at once, when somebody else has it or may have it.
  static std::optional<SpoolLock> borrow(const std::string& root, SpoolRight right);
  ~SpoolLock();
  SpoolLock(SpoolLock&&) noexcept;
  SpoolLock& operator=(SpoolLock&&) noexcept;

  // To be called once a second by who took it.
  void beat() const;

 private:
  struct Held;
  explicit SpoolLock(std::unique_ptr<Held> held);
  std::unique_ptr<Held> held_;
};

}  // namespace hubrev
