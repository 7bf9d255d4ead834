#include "plugin/spool/lock.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <map>
#include <mutex>
#include <sstream>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>

#include "plugin/base/file.h"

namespace hubrev {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using std::chrono::system_clock;

constexpr milliseconds kPatience{5000};  // five beats, and longer than anybody borrows a right
constexpr milliseconds kPause{50};
constexpr milliseconds kRecently{60'000};  // beats, and clocks that differ

using LockKey = std::tuple<dev_t, ino_t, SpoolRight>;

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

// What stands in a lock file: "HOST PID", and "briefly" if the right is only borrowed. Empty while
// nobody has it.
struct Holder {
  std::string host;
  std::int64_t pid = 0;
  bool briefly = false;

  bool named() const { return pid > 0; }
};

// Which locks this process holds. A POSIX lock goes away as soon as *any* descriptor of its file
// is closed in the process, so the table is asked before the file is opened a second time.
struct Registry {
  std::mutex mutex;                   // guards `holders`
  std::map<LockKey, Holder> holders;  // the entries of a parent, in a forked child, do not count

  const Holder* ours(const LockKey& key) const {
    const auto at = holders.find(key);
    return at != holders.end() && at->second.pid == ::getpid() ? &at->second : nullptr;
  }
};

Registry& registry() {
  static Registry instance;
  return instance;
}

Holder read_holder(int file) {
  std::array<char, 512> text{};
  const ssize_t size = ::pread(file, text.data(), text.size(), 0);
  Holder holder;
  std::istringstream words(std::string(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0));
  std::string word;
  if (words >> holder.host >> holder.pid && words >> word) holder.briefly = word == "briefly";
  return holder;
}

// Best effort: on a full disk the lock holds without a name.
void write_holder(int file, const Holder& holder) {
  const std::string text =
      holder.host + " " + std::to_string(holder.pid) + (holder.briefly ? " briefly\n" : "\n");
  if (::ftruncate(file, 0) == 0) (void)!::pwrite(file, text.data(), text.size(), 0);
}

std::string lock_path(const std::string& root, SpoolRight right) {
  return root + (right == SpoolRight::kSubmit ? "/lock.submit" : "/lock");
}

Error held_by(const std::string& root, SpoolRight right, const std::string& who) {
  return make_error(ErrorKind::kConfig,
                    "spool " + root + " is in use by " + who +
                        (right == SpoolRight::kSubmit ? ", which saves checkpoints into it" : "") +
                        "; wait for it, stop it, or choose another 'spool_dir'");
}

std::string shown(const Holder& holder) {
  if (!holder.named()) return "another process";
  const std::string pid = std::to_string(holder.pid);
  if (holder.host != host_name()) return "process " + pid + " on " + holder.host;
  return holder.pid == ::getpid() ? "this process (" + pid + ") already" : "process " + pid;
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

Result<LockKey> key_of(const std::string& root, SpoolRight right) {
  struct stat info {};
  if (::stat(root.c_str(), &info) != 0) return lock_error(root, errno);
  return LockKey{info.st_dev, info.st_ino, right};
}

Result<Fd> open_lock(const std::string& path) {
  Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return lock_error(path, errno);
  return file;
}

// When the holder's heart beat last; -1 while this process holds the lock itself. Opened anew each
// time, since that is what makes an NFS client ask its server.
std::int64_t last_beat(const std::string& root, SpoolRight right, const LockKey& key) {
  const std::lock_guard lock(registry().mutex);
  struct stat info {};
  if (registry().ours(key)) return -1;
  const Fd file(::open(lock_path(root, right).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file || ::fstat(file.get(), &info) != 0) return -1;
  return std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
}

bool heart_beats(const std::string& root, SpoolRight right, const LockKey& key) {
  const std::int64_t first = last_beat(root, right, key);
  const auto end = steady_clock::now() + kPatience;
  while (steady_clock::now() < end) {
    std::this_thread::sleep_for(kPause);
    if (last_beat(root, right, key) != first) return true;
  }
  return false;
}

// Whether a name that was left in the file is taken for a living holder's.
enum class Named { kLives, kIsDead };

// What came of one try: the lock, or who has it.
struct Try {
  Fd file;
  Holder holder;
  bool doubtful = false;  // the lock was to be had, but the file names a process that may live
};

bool beat_recently(int file) {
  struct stat info {};
  if (::fstat(file, &info) != 0) return false;
  const auto beat = system_clock::from_time_t(info.st_mtim.tv_sec);
  return std::chrono::abs(system_clock::now() - beat) < kRecently;
}

// One elsewhere, which the file system's locks may not reach. Or one here: a lock ends with any
// descriptor of its file that its process closes, as when it copies the folder. Its number may be
// another process's by now, so its heart must have beaten not long ago.
bool may_live(const Holder& holder, int file) {
  if (!holder.named()) return false;
  if (holder.host != host_name()) return true;
  const auto pid = static_cast<pid_t>(holder.pid);
  return pid != ::getpid() && (::kill(pid, 0) == 0 || errno == EPERM) && beat_recently(file);
}

// The registry's mutex is held.
Result<Try> try_lock(const std::string& root, SpoolRight right, Named named) {
  const std::string path = lock_path(root, right);
  HUBREV_TRY(Fd file, open_lock(path));
  struct flock range {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  const bool taken = ::fcntl(file.get(), F_SETLK, &range) == 0;
  if (!taken && errno != EACCES && errno != EAGAIN) return lock_error(path, errno);
  Holder holder = read_holder(file.get());
  if (!taken) return Try{Fd(), holder};
  if (named == Named::kLives && may_live(holder, file.get())) return Try{Fd(), holder, true};
  return Try{std::move(file), {}};
}

}  // namespace

struct SpoolLock::Held {
  Fd file;
  LockKey key;
  Holder holder;

  // The registry's mutex is held.
  Held(Fd f, LockKey k, bool briefly)
      : file(std::move(f)), key(k), holder{host_name(), ::getpid(), briefly} {
    write_holder(file.get(), holder);
    registry().holders[key] = holder;
  }
  ~Held() {
    // In a forked child the lock is the parent's.
    if (holder.pid != ::getpid()) return;
    const std::lock_guard lock(registry().mutex);
    (void)!::ftruncate(file.get(), 0);
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

Result<SpoolLock> SpoolLock::take(const std::string& root, SpoolRight right) {
  HUBREV_TRY(const LockKey key, key_of(root, right));
  Named named = Named::kLives;
  const auto end = steady_clock::now() + kPatience;
  for (;;) {
    Holder holder;
    bool doubtful = false;
    {
      const std::lock_guard lock(registry().mutex);
      if (const Holder* ours = registry().ours(key)) {
        holder = *ours;
      } else {
        HUBREV_TRY(Try tried, try_lock(root, right, named));
        if (tried.file) {
          return SpoolLock(std::make_unique<Held>(std::move(tried.file), key, false));
        }
        holder = tried.holder;
        doubtful = tried.doubtful;
      }
    }
    if (doubtful) {
      if (heart_beats(root, right, key)) return held_by(root, right, shown(holder));
      named = Named::kIsDead;
      continue;
    }
    // A name that is not there yet is about to be.
    const bool soon = holder.briefly || !holder.named();
    if (!soon || steady_clock::now() >= end) return held_by(root, right, shown(holder));
    std::this_thread::sleep_for(kPause);
  }
}

std::optional<SpoolLock> SpoolLock::borrow(const std::string& root, SpoolRight right) {
  const auto key = key_of(root, right);
  if (!key.ok()) return std::nullopt;
  const std::lock_guard lock(registry().mutex);
  if (registry().ours(*key)) return std::nullopt;
  auto tried = try_lock(root, right, Named::kLives);
  if (!tried.ok() || !tried->file) return std::nullopt;
  return SpoolLock(std::make_unique<Held>(std::move(tried->file), *key, true));
}

void SpoolLock::beat() const {
  (void)::futimens(held_->file.get(), nullptr);
}

}  // namespace hubrev
