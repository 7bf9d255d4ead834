#include "plugin/snapshot/copy_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "plugin/snapshot/path_rules.h"
#include "plugin/snapshot/refusal.h"
#include "plugin/snapshot/stamp.h"

namespace hubrev {
namespace {

Error unwritten(Error error) {
  return with_context(std::move(error),
                      "freezing the checkpoint failed, make room or choose another 'spool_dir'");
}

}  // namespace

Error changed_while_frozen(const std::string& source) {
  return refused(source,
                 "changed while it was frozen; publish the checkpoint when its save is done");
}

Error target_error(int code, const std::string& path) {
  return unwritten(errno_error(code, "cannot write " + shown_path(path)));
}

Result<OpenedFile> open_source(const OpenFolder& checkpoint, const std::string& source) {
  // Non-blocking, so that a pipe that took the file's place does not hang the training thread.
  constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  OpenedFile file{
      checkpoint, source, Fd(::openat(checkpoint.fd.get(), source.c_str(), kFlags)), {}};
  if (!file.fd) return unreadable(file.path(), errno);
  struct stat info {};
  if (::fstat(file.fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return refused(file.path(), "is no longer a regular file; save the checkpoint again");
  }
  file.stamp = stamp_of(info);
  return file;
}

Result<Fd> create_target(const OpenFolder& folder, const std::string& name) {
  Fd out(::openat(folder.fd.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!out) return target_error(errno, folder.below(name));
  return out;
}

Result<FileStamp> stamp_target(int fd, const std::string& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return target_error(errno, path);
  return stamp_of(info);
}

Status write_target(int fd, std::string_view bytes, const std::string& path) {
  Status put = write_all(fd, bytes, shown_path(path));
  return put.ok() ? std::move(put) : unwritten(std::move(put).error());
}

// Not copy_file_range(): where the file system can share extents it does what FICLONE does, and
// waits for the disk like that.
Status copy_bytes(const OpenedFile& in, CopyBudget& budget,
                  const std::function<Status(std::string_view)>& out) {
  if (in.stamp.size > budget.left) {
    return unwritten(
        make_error(ErrorKind::kNoSpace, "no room to copy " + shown_path(in.path()) + " of " +
                                            std::to_string(in.stamp.size) +
                                            " bytes, by 'min_free_bytes' or 'max_spool_bytes'"));
  }
  budget.left -= in.stamp.size;
  std::array<char, 64 * 1024> buffer;
  for (std::uint64_t left = in.stamp.size; left > 0;) {
    if (budget.stop.stop_requested()) return make_error(ErrorKind::kCancelled, "cancelled");
    const std::uint64_t want = std::min<std::uint64_t>(left, buffer.size());
    const ssize_t got = ::read(in.fd.get(), buffer.data(), static_cast<std::size_t>(want));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error(errno, "cannot read " + shown_path(in.path()));
    if (got == 0) return changed_while_frozen(in.path());
    const std::string_view bytes(buffer.data(), static_cast<std::size_t>(got));
    HUBREV_CHECK(out(bytes));
    left -= bytes.size();
  }
  struct stat after {};
  if (::fstat(in.fd.get(), &after) != 0 || stamp_of(after) != in.stamp) {
    return changed_while_frozen(in.path());
  }
  return {};
}

}  // namespace hubrev
