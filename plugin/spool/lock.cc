#include "plugin/spool/lock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <mutex>
#include <system_error>
#include <utility>

#include "plugin/base/file.h"

namespace hubrev {
namespace {

using FolderKey = std::pair<dev_t, ino_t>;

// Which spools this process holds. A POSIX lock goes away as soon as *any* descriptor of its file
// is closed in the process, so the table is asked before the file is opened a second time.
struct Registry {
  std::mutex mutex;                    // guards `holders`
  std::map<FolderKey, pid_t> holders;  // the entries of a parent, in a forked child, do not count
};

Registry& registry() {
  static Registry instance;
  return instance;
}

Error held_by(const std::string& root, const std::string& who) {
  return make_error(ErrorKind::kConfig,
                    "spool " + root + " is in use by " + who +
                        "; wait for it, stop it, or choose another 'spool_dir'");
}

Error lock_error(const std::string& path, int code) {
  if (code == ENOLCK || code == EOPNOTSUPP || code == ENOSYS) {
    return make_error(ErrorKind::kConfig, path +
                                              " cannot be locked on this file system; choose "
                                              "another 'spool_dir'");
  }
  return errno_error(code,
                     "cannot lock " + path + ", make it writable or choose another 'spool_dir'");
}

Result<Fd> lock_file(const std::string& root) {
  const std::string path = root + "/lock";
  Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return lock_error(path, errno);
  struct flock range {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  if (::fcntl(file.get(), F_SETLK, &range) == 0) return file;
  if (errno != EACCES && errno != EAGAIN) return lock_error(path, errno);
  // l_pid is no usable number for a holder on another machine or in another container.
  const bool known =
      ::fcntl(file.get(), F_GETLK, &range) == 0 && range.l_type != F_UNLCK && range.l_pid > 0;
  return held_by(root, known ? "process " + std::to_string(range.l_pid) : "another process");
}

}  // namespace

struct SpoolLock::Held {
  Fd file;
  FolderKey key;
  pid_t owner;

  Held(Fd f, FolderKey k) : file(std::move(f)), key(k), owner(::getpid()) {}
  ~Held() {
    // In a forked child the lock is the parent's.
    if (owner != ::getpid()) return;
    const std::lock_guard lock(registry().mutex);
    file = Fd();
    registry().holders.erase(key);
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
};

SpoolLock::SpoolLock(std::unique_ptr<Held> held) : held_(std::move(held)) {}
SpoolLock::~SpoolLock() = default;
SpoolLock::SpoolLock(SpoolLock&&) noexcept = default;
SpoolLock& SpoolLock::operator=(SpoolLock&&) noexcept = default;

Result<SpoolLock> SpoolLock::take(const std::string& root) {
  struct stat info {};
  if (::stat(root.c_str(), &info) != 0) return lock_error(root, errno);
  const FolderKey key{info.st_dev, info.st_ino};

  const std::lock_guard lock(registry().mutex);
  const auto at = registry().holders.find(key);
  if (at != registry().holders.end() && at->second == ::getpid()) {
    return held_by(root, "this process (" + std::to_string(::getpid()) + ") already");
  }
  HUBREV_TRY(Fd file, lock_file(root));
  auto held = std::make_unique<Held>(std::move(file), key);
  registry().holders[key] = held->owner;
  return SpoolLock(std::move(held));
}

}  // namespace hubrev
