#include "plugin/snapshot/pack.h"

#include <unistd.h>

namespace hubrev {

Pack::~Pack() {
  if (fd_ && !kept_) ::unlink(path_.c_str());
}

Result<FrozenFile> Pack::append(const std::string& path, const OpenedFile& in, CopyBudget& budget) {
  if (!fd_) {
    HUBREV_TRY(fd_, create_target(path_));
  }
  HUBREV_CHECK(copy_bytes(in, fd_.get(), path_, budget));
  FrozenFile frozen{path, FreezeMethod::kPacked, {}, size_, in.stamp.size};
  size_ += in.stamp.size;
  return frozen;
}

Status Pack::stamp(std::vector<FrozenFile>& files) const {
  if (!fd_) return {};
  HUBREV_TRY(const FileStamp stamp, stamp_target(fd_.get(), path_));
  for (FrozenFile& file : files) {
    if (file.method == FreezeMethod::kPacked) file.stamp = stamp;
  }
  return {};
}

}  // namespace hubrev
