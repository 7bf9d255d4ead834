#include "plugin/pipeline/checkout_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "plugin/base/sha256.h"

namespace hubrev {
namespace {

namespace fs = std::filesystem;

std::string incomplete(const std::string& folder) {
  return folder + ".incomplete";
}

Error occupied(const std::string& folder, const std::string& why) {
  return make_error(ErrorKind::kConflict, folder + " is not empty and not this revision (" + why +
                                              "); remove it, or name another folder");
}

std::optional<std::uint64_t> size_of_file(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  return static_cast<std::uint64_t>(info.st_size);
}

Status make_folders(const fs::path& path) {
  std::error_code code;
  fs::create_directories(path, code);
  if (code) return errno_error(code.value(), "cannot create " + path.string());
  return {};
}

// Whether the folder's file is the revision's; "" or what it is instead.
Result<std::string> difference(const std::string& folder, const CheckoutFile& file,
                               const std::stop_token& stop) {
  const std::string path = folder + "/" + file.path;
  const std::optional<std::uint64_t> size = size_of_file(path);
  if (!size) return "it has no file " + file.path;
  if (*size != file.size) return file.path + " differs";
  const Fd existing(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!existing) return errno_error(errno, "cannot open " + path);
  Sha256Hasher hasher;
  HUBREV_CHECK(hash_rest(existing.get(), hasher, path, stop));
  return hasher.finish() == file.sha256 ? "" : file.path + " differs";
}

Status create_file(const std::string& path, std::string_view bytes) {
  HUBREV_CHECK(make_folders(fs::path(path).parent_path()));
  const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!file) return errno_error(errno, "cannot create " + path);
  return write_all(file.get(), bytes, path);
}

// By a second name, which a kill before the end does not lose; where the file system has none, by
// a new one.
Status give_name(const std::string& object, const std::string& path) {
  HUBREV_CHECK(make_folders(fs::path(path).parent_path()));
  if (::link(object.c_str(), path.c_str()) == 0) return {};
  if (::rename(object.c_str(), path.c_str()) == 0) return {};
  return errno_error(errno, "cannot create " + path);
}

Status copy(const std::string& object, const std::string& path) {
  HUBREV_CHECK(make_folders(fs::path(path).parent_path()));
  std::error_code code;
  fs::copy_file(object, path, code);
  if (code) return errno_error(code.value(), "cannot write " + path);
  return {};
}

// How many of the files are each object.
std::map<Sha256, int> count_objects(const std::vector<CheckoutFile>& files) {
  std::map<Sha256, int> count;
  for (const CheckoutFile& file : files) {
    if (!file.blob) ++count[file.sha256];
  }
  return count;
}

}  // namespace

Result<FolderState> look_at_folder(const std::string& folder,
                                   const std::vector<CheckoutFile>& files, ThreadPool& pool,
                                   const std::stop_token& stop) {
  std::error_code code;
  const fs::file_status status = fs::status(folder, code);
  if (!fs::exists(status)) return FolderState::kFree;
  if (!fs::is_directory(status)) return occupied(folder, "it is no folder");
  if (fs::is_empty(folder, code)) return FolderState::kFree;
  if (code) return errno_error(code.value(), "cannot read " + folder);
  std::vector<StoppableTask> tasks;
  for (const CheckoutFile& file : files) {
    tasks.emplace_back([&](const std::stop_token& until) -> Status {
      HUBREV_TRY(const std::string why, difference(folder, file, until));
      if (!why.empty()) return occupied(folder, why);
      return {};
    });
  }
  HUBREV_CHECK(pool.run_until_error(std::move(tasks), stop));
  return FolderState::kComplete;
}

IncompleteFolder::IncompleteFolder(std::string folder, Fd lock)
    : folder_(std::move(folder)), lock_(std::move(lock)) {}

Result<IncompleteFolder> IncompleteFolder::take(const std::string& folder) {
  const std::string root = incomplete(folder);
  HUBREV_CHECK(make_folders(root + "/objects"));
  Fd lock(::open((root + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) return errno_error(errno, "cannot write to " + root);
  // A file system without locks has no other fetch to fear than the user's own.
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    return make_error(ErrorKind::kConflict,
                      "another process fetches into " + folder + "; wait for it or stop it");
  }
  std::error_code code;
  fs::remove_all(root + "/files", code);
  if (code) return errno_error(code.value(), "cannot clear " + root + "/files");
  HUBREV_CHECK(make_folders(root + "/files"));
  return IncompleteFolder(folder, std::move(lock));
}

std::string IncompleteFolder::object_path(const Sha256& oid) const {
  return incomplete(folder_) + "/objects/" + oid.hex();
}

std::string IncompleteFolder::path_of(const CheckoutFile& file) const {
  return incomplete(folder_) + "/files/" + file.path;
}

Status IncompleteFolder::check_room(const std::vector<CheckoutFile>& files) const {
  std::uint64_t needed = 0;
  std::set<Sha256> counted;
  for (const CheckoutFile& file : files) {
    needed += file.size;
    if (file.blob || !counted.insert(file.sha256).second) continue;
    needed -= std::min(file.size, size_of_file(object_path(file.sha256)).value_or(0));
  }
  struct statvfs disk {};
  if (::statvfs(incomplete(folder_).c_str(), &disk) != 0) return {};  // writing will tell
  const std::uint64_t free = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
  if (needed <= free) return {};
  return make_error(ErrorKind::kNoSpace, "fetching the revision needs " + std::to_string(needed) +
                                             " bytes, and the disk of " + folder_ + " has " +
                                             std::to_string(free) +
                                             "; free some, or name a folder on another disk");
}

Status IncompleteFolder::write(const CheckoutFile& file, std::string_view bytes) const {
  return create_file(path_of(file), bytes);
}

Status IncompleteFolder::complete(const std::vector<CheckoutFile>& files) const {
  std::map<Sha256, int> left = count_objects(files);
  for (const CheckoutFile& file : files) {
    if (file.blob) continue;
    const std::string object = object_path(file.sha256);
    const bool last = --left[file.sha256] == 0;
    HUBREV_CHECK(last ? give_name(object, path_of(file)) : copy(object, path_of(file)));
  }
  const std::string root = incomplete(folder_);
  if (::rename((root + "/files").c_str(), folder_.c_str()) != 0) {
    return errno_error(errno, "cannot rename " + root + "/files to " + folder_);
  }
  remove_incomplete(folder_);
  return {};
}

void remove_incomplete(const std::string& folder) {
  std::error_code ignored;
  fs::remove_all(incomplete(folder), ignored);
}

}  // namespace hubrev
