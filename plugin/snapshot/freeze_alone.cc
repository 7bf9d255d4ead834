#include "plugin/snapshot/freeze_alone.h"

#include <fcntl.h>
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
Result<std::optional<FileStamp>> try_reflink(const OpenedFile& in, const OpenFolder& folder,
                                             const std::string& name) {
  HUBREV_TRY(const Fd out, create_target(folder, name));
  if (::ioctl(out.get(), FICLONE, in.fd.get()) != 0) {
    const int code = errno;
    ::unlinkat(folder.fd.get(), name.c_str(), 0);
    if (!refuses(code)) return target_error(code, folder.below(name));
    return std::optional<FileStamp>();
  }
  HUBREV_TRY(const FileStamp stamp, stamp_target(out.get(), folder.below(name)));
  return std::optional(stamp);
}

// nullopt when refused.
Result<std::optional<FileStamp>> try_hard_link(const OpenedFile& in, const OpenFolder& folder,
                                               const std::string& name) {
  if (::linkat(in.checkpoint.fd.get(), in.source.c_str(), folder.fd.get(), name.c_str(), 0) != 0) {
    if (refuses(errno)) return std::optional<FileStamp>();
    if (errno == ENOENT) return unreadable(in.path(), ENOENT);
    return target_error(errno, folder.below(name));
  }
  struct stat info {};
  if (::fstatat(folder.fd.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return target_error(errno, folder.below(name));
  }
  if (stamp_of(info) != in.stamp) return changed_while_frozen(in.path());
  return std::optional(in.stamp);
}

Result<FileStamp> copy(const OpenedFile& in, const OpenFolder& folder, const std::string& name,
                       CopyBudget& budget) {
  HUBREV_TRY(const Fd out, create_target(folder, name));
  const std::string target = folder.below(name);
  HUBREV_CHECK(copy_bytes(
      in, budget, [&](std::string_view bytes) { return write_target(out.get(), bytes, target); }));
  return stamp_target(out.get(), target);
}

}  // namespace

Result<FrozenFile> freeze_alone(const std::string& path, const OpenedFile& in,
                                const OpenFolder& folder, CopyBudget& budget) {
  const auto frozen = [&](FreezeMethod method, const FileStamp& stamp) {
    return FrozenFile{path, method, stamp, 0, stamp.size};
  };
  HUBREV_TRY(const std::optional<FileStamp> linked, try_hard_link(in, folder, path));
  if (linked) return frozen(FreezeMethod::kHardLink, *linked);
  HUBREV_TRY(const std::optional<FileStamp> cloned, try_reflink(in, folder, path));
  if (cloned) return frozen(FreezeMethod::kReflink, *cloned);
  HUBREV_TRY(const FileStamp copied, copy(in, folder, path, budget));
  return frozen(FreezeMethod::kCopy, copied);
}

}  // namespace hubrev
