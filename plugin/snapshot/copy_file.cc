#include "plugin/snapshot/copy_file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

#include "plugin/base/file.h"
#include "plugin/snapshot/freeze.h"
#include "plugin/snapshot/path_rules.h"
#include "plugin/snapshot/refusal.h"
#include "plugin/snapshot/stamp.h"

namespace hubrev {
namespace {

constexpr std::string_view kChanged =
    "changed while it was frozen; publish the checkpoint when its save is done";

Error target_error(int code, const std::string& path) {
  return with_context(errno_error(code, "cannot write " + shown_path(path)),
                      "freezing the checkpoint failed, make room or choose another 'spool_dir'");
}

struct OpenedFile {
  Fd fd;
  FileStamp stamp;
};

Result<OpenedFile> open_source(const std::string& path) {
  // Non-blocking, so that a pipe that took the file's place does not hang the training thread.
  OpenedFile file;
  file.fd = Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file.fd) return unreadable(path, errno);
  struct stat info {};
  if (::fstat(file.fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return refused(path, "is no longer a regular file; save the checkpoint again");
  }
  file.stamp = stamp_of(info);
  return file;
}

Result<Fd> create_target(const std::string& path) {
  Fd out(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!out) return target_error(errno, path);
  return out;
}

Result<FileStamp> stamp_target(int fd, const std::string& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return target_error(errno, path);
  return stamp_of(info);
}

// Whether the file system, or this file, refuses the operation as such; another means may work.
bool refuses(int code) {
  switch (code) {
    case EOPNOTSUPP:
    case ENOSYS:
    case ENOTTY:
    case EINVAL:
    case EXDEV:
    case EPERM:
    case EACCES:
    case EMLINK:
    case ETXTBSY:
      return true;
    default:
      return false;
  }
}

// nullopt when refused; then no target is left.
Result<std::optional<FileStamp>> try_reflink(int in, const std::string& target) {
  HUBREV_TRY(const Fd out, create_target(target));
  if (::ioctl(out.get(), FICLONE, in) != 0) {
    const int code = errno;
    ::unlink(target.c_str());
    if (!refuses(code)) return target_error(code, target);
    return std::optional<FileStamp>();
  }
  HUBREV_TRY(const FileStamp stamp, stamp_target(out.get(), target));
  return std::optional(stamp);
}

// nullopt when refused.
Result<std::optional<FileStamp>> try_hard_link(const OpenedFile& in, const std::string& source,
                                               const std::string& target) {
  if (::link(source.c_str(), target.c_str()) != 0) {
    if (refuses(errno)) return std::optional<FileStamp>();
    if (errno == ENOENT) return unreadable(source, ENOENT);
    return target_error(errno, target);
  }
  struct stat info {};
  if (::lstat(target.c_str(), &info) != 0) return target_error(errno, target);
  if (stamp_of(info) != in.stamp) {
    return refused(source, kChanged);
  }
  return std::optional(in.stamp);
}

// Not copy_file_range(): where the file system can share extents it does what FICLONE does, and
// waits for the disk like that.
Status copy_bytes(int in, const std::string& source, int out, const std::string& target) {
  std::array<char, 64 * 1024> buffer;
  for (;;) {
    const ssize_t got = ::read(in, buffer.data(), buffer.size());
    if (got == 0) return {};
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error(errno, "cannot read " + shown_path(source));
    for (std::string_view rest(buffer.data(), static_cast<std::size_t>(got)); !rest.empty();) {
      const ssize_t put = ::write(out, rest.data(), rest.size());
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return target_error(errno, target);
      rest.remove_prefix(static_cast<std::size_t>(put));
    }
  }
}

Result<FileStamp> copy(const OpenedFile& in, const std::string& source, const std::string& target) {
  HUBREV_TRY(const Fd out, create_target(target));
  HUBREV_CHECK(copy_bytes(in.fd.get(), source, out.get(), target));
  struct stat after {};
  HUBREV_TRY(const FileStamp stamp, stamp_target(out.get(), target));
  if (::fstat(in.fd.get(), &after) != 0 || stamp_of(after) != in.stamp ||
      stamp.size != in.stamp.size) {
    return refused(source, kChanged);
  }
  return stamp;
}

}  // namespace

Result<FrozenFile> freeze_file(const ScannedFile& file, const std::string& target) {
  HUBREV_TRY(const OpenedFile in, open_source(file.source));
  if (in.stamp.size >= kHardLinkFromBytes) {
    HUBREV_TRY(const std::optional<FileStamp> linked, try_hard_link(in, file.source, target));
    if (linked) return FrozenFile{file.path, FreezeMethod::kHardLink, *linked};
    HUBREV_TRY(const std::optional<FileStamp> cloned, try_reflink(in.fd.get(), target));
    if (cloned) return FrozenFile{file.path, FreezeMethod::kReflink, *cloned};
  }
  HUBREV_TRY(const FileStamp copied, copy(in, file.source, target));
  return FrozenFile{file.path, FreezeMethod::kCopy, copied};
}

}  // namespace hubrev
