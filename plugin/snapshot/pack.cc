#include "plugin/snapshot/pack.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string_view>

namespace hubrev {
namespace {

constexpr std::size_t kWriteFromBytes = 512 * 1024;

Result<Fd> open_empty(const std::string& path) {
  Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return target_error(errno, path);
  HUBREV_TRY(const FileStamp stamp, stamp_target(file.get(), path));
  if (stamp.size != 0) return target_error(EEXIST, path);
  return file;
}

}  // namespace

Pack::~Pack() {
  if (fd_ && !kept_) ::unlink(path_.c_str());
}

Result<FrozenFile> Pack::append(const std::string& path, const OpenedFile& in, CopyBudget& budget) {
  if (!fd_) {
    HUBREV_TRY(fd_, open_empty(path_));
  }
  HUBREV_CHECK(copy_bytes(in, budget, [this](std::string_view bytes) {
    unwritten_.append(bytes);
    return unwritten_.size() < kWriteFromBytes ? Status() : write();
  }));
  FrozenFile frozen{path, FreezeMethod::kPacked, {}, size_, in.stamp.size};
  size_ += in.stamp.size;
  return frozen;
}

Status Pack::write() {
  HUBREV_CHECK(write_target(fd_.get(), unwritten_, path_));
  unwritten_.clear();
  return {};
}

Status Pack::finish(std::vector<FrozenFile>& files) {
  if (!fd_) return {};
  HUBREV_CHECK(write());
  HUBREV_TRY(const FileStamp stamp, stamp_target(fd_.get(), path_));
  for (FrozenFile& file : files) {
    if (file.method == FreezeMethod::kPacked) file.stamp = stamp;
  }
  return {};
}

}  // namespace hubrev
