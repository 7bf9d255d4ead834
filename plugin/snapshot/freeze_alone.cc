#include "plugin/snapshot/freeze_alone.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string_view>

#include "plugin/snapshot/refusal.h"
#include "plugin/snapshot/stamp.h"

namespace hubrev {
namespace {

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
Result<std::optional<FileStamp>> try_hard_link(const OpenedFile& in, const std::string& target) {
  if (::link(in.path.c_str(), target.c_str()) != 0) {
    if (refuses(errno)) return std::optional<FileStamp>();
    if (errno == ENOENT) return unreadable(in.path, ENOENT);
    return target_error(errno, target);
  }
  struct stat info {};
  if (::lstat(target.c_str(), &info) != 0) return target_error(errno, target);
  if (stamp_of(info) != in.stamp) return changed_while_frozen(in.path);
  return std::optional(in.stamp);
}

Result<FileStamp> copy(const OpenedFile& in, const std::string& target, CopyBudget& budget) {
  HUBREV_TRY(const Fd out, create_target(target));
  HUBREV_CHECK(copy_bytes(
      in, budget, [&](std::string_view bytes) { return write_target(out.get(), bytes, target); }));
  return stamp_target(out.get(), target);
}

}  // namespace

Result<FrozenFile> freeze_alone(const std::string& path, const OpenedFile& in,
                                const std::string& target, CopyBudget& budget) {
  const auto frozen = [&](FreezeMethod method, const FileStamp& stamp) {
    return FrozenFile{path, method, stamp, 0, stamp.size};
  };
  HUBREV_TRY(const std::optional<FileStamp> linked, try_hard_link(in, target));
  if (linked) return frozen(FreezeMethod::kHardLink, *linked);
  HUBREV_TRY(const std::optional<FileStamp> cloned, try_reflink(in.fd.get(), target));
  if (cloned) return frozen(FreezeMethod::kReflink, *cloned);
  HUBREV_TRY(const FileStamp copied, copy(in, target, budget));
  return frozen(FreezeMethod::kCopy, copied);
}

}  // namespace hubrev
