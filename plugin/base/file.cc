#include "plugin/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

namespace hubrev {

Fd::~Fd() {
  if (fd_ >= 0) ::close(fd_);
}
Fd::Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
Fd& Fd::operator=(Fd&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Result<std::string> read_file(const std::string& path, std::uint64_t limit) {
  // Non-blocking, so that a pipe is refused below instead of waited for.
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) return errno_error(errno, "cannot open " + path);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return errno_error(errno, "cannot stat " + path);
  if (!S_ISREG(info.st_mode)) {
    return make_error(ErrorKind::kInvalidInput, path + " is not a regular file");
  }
  if (static_cast<std::uint64_t>(info.st_size) > limit) {
    return make_error(ErrorKind::kInvalidInput, path + " is larger than " + std::to_string(limit) +
                                                    " bytes, more than such a file may hold");
  }
  std::string bytes(static_cast<std::size_t>(info.st_size), '\0');
  std::size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t got = ::read(file.get(), bytes.data() + have, bytes.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error(errno, "cannot read " + path);
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

Status write_all(int fd, std::string_view bytes, std::string_view what) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return errno_error(errno, "cannot write " + std::string(what));
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

Status sync_to_disk(const std::string& path) {
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file || ::fsync(file.get()) != 0) return errno_error(errno, "cannot sync " + path);
  return {};
}

Status write_file_atomic(const std::string& path, std::string_view bytes, Durability durability) {
  const std::string temporary = path + kTemporarySuffix;
  {
    Fd file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!file) return errno_error(errno, "cannot create " + temporary);
    HUBREV_CHECK(write_all(file.get(), bytes, temporary));
    if (durability == Durability::kSync && ::fsync(file.get()) != 0) {
      return errno_error(errno, "cannot sync " + temporary);
    }
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    return errno_error(errno, "cannot rename " + temporary);
  }
  if (durability == Durability::kSync) {
    return sync_to_disk(std::filesystem::path(path).parent_path().string());
  }
  return {};
}

Status fill_file(const std::string& path, std::string_view bytes) {
  const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return errno_error(errno, "cannot create " + path);
  return write_all(file.get(), bytes, path);
}

std::string absolute_path(const std::string& path) {
  const bool is_normal = path.starts_with('/') && !path.ends_with('/') &&
                         path.find("//") == path.npos && path.find("/.") == path.npos;
  if (is_normal) return path;  // what training nearly always asks for, and waits for
  std::error_code code;
  std::string full = std::filesystem::absolute(path, code).lexically_normal().string();
  if (code) return path;
  if (full.size() > 1 && full.ends_with('/')) full.pop_back();
  return full;
}

Status make_private_directory(const std::string& path) {
  const std::filesystem::path target(path);
  std::error_code code;
  if (target.has_parent_path()) {
    std::filesystem::create_directories(target.parent_path(), code);
    if (code) return errno_error(code.value(), "cannot create " + target.parent_path().string());
  }
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return errno_error(errno, "cannot create " + path);
  }
  if (!std::filesystem::is_directory(target, code)) {
    return make_error(ErrorKind::kIo, path + " exists and is not a folder");
  }
  return {};
}

}  // namespace hubrev
