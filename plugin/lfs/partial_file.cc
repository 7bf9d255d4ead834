#include "plugin/lfs/partial_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace hubrev {
PartialFile::PartialFile(std::string path, Fd file)
    : path_(std::move(path)), file_(std::move(file)), hasher_(std::make_unique<Sha256Hasher>()) {}

Result<PartialFile> PartialFile::open(const std::string& path, std::uint64_t limit,
                                      const std::stop_token& stop) {
  Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666));
  struct stat info {};
  if (!file || ::fstat(file.get(), &info) != 0) return errno_error(errno, "cannot open " + path);
  if (!S_ISREG(info.st_mode)) {
    return make_error(ErrorKind::kIo, path + " is no regular file; remove it");
  }
  PartialFile partial(path, std::move(file));
  if (static_cast<std::uint64_t>(info.st_size) > limit) {
    HUBREV_CHECK(partial.restart());
  } else {
    HUBREV_TRY(partial.size_, hash_rest(partial.file_.get(), *partial.hasher_, path, stop));
  }
  return partial;
}

Status PartialFile::append(std::string_view bytes) {
  HUBREV_CHECK(write_all(file_.get(), bytes, path_));
  hasher_->update(bytes);
  size_ += bytes.size();
  return {};
}

Status PartialFile::restart() {
  if (::ftruncate(file_.get(), 0) != 0 || ::lseek(file_.get(), 0, SEEK_SET) != 0) {
    return errno_error(errno, "cannot begin anew " + path_);
  }
  hasher_ = std::make_unique<Sha256Hasher>();
  size_ = 0;
  return {};
}

}  // namespace hubrev
