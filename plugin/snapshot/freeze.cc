#include "plugin/snapshot/freeze.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "plugin/snapshot/copy_file.h"
#include "plugin/snapshot/freeze_alone.h"
#include "plugin/snapshot/pack.h"
#include "plugin/snapshot/path_rules.h"
#include "plugin/snapshot/refusal.h"
#include "plugin/snapshot/scan.h"
#include "plugin/snapshot/stamp.h"

namespace hubrev {
namespace {

Error destination_error(int code, const std::string& path) {
  return errno_error(code, "cannot freeze into " + shown_path(path) +
                               ", make it writable or choose another 'spool_dir'");
}

// Asks the kernel once, where a DIR would take five calls.
bool is_empty(int folder) {
  alignas(dirent64) std::array<char, 1024> entries;  // room for ".", ".." and a third of any length
  const ssize_t bytes = ::getdents64(folder, entries.data(), entries.size());
  for (ssize_t at = 0; at < bytes;) {
    const auto* entry = reinterpret_cast<const dirent64*>(&entries[static_cast<std::size_t>(at)]);
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") return false;
    at += entry->d_reclen;
  }
  return bytes >= 0;
}

// A folder that goes away with everything in it unless it is kept. It may be there, and is empty
// then.
class NewFolder {
 public:
  static Result<NewFolder> create(const std::string& path) {
    const bool made = ::mkdir(path.c_str(), 0700) == 0;
    if (!made && errno != EEXIST) return destination_error(errno, path);
    OpenFolder folder{path, Fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC))};
    if (!folder.fd) {
      const int code = errno;
      if (made) ::rmdir(path.c_str());
      return destination_error(code, path);
    }
    if (!is_empty(folder.fd.get())) return destination_error(EEXIST, path);
    return NewFolder(std::move(folder));
  }
  ~NewFolder() {
    std::error_code ignored;
    if (folder_.fd) std::filesystem::remove_all(folder_.path, ignored);
  }
  NewFolder(NewFolder&& other) noexcept = default;
  NewFolder& operator=(NewFolder&&) = delete;
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  const OpenFolder& folder() const { return folder_; }
  void keep() { folder_.fd = Fd(); }

 private:
  explicit NewFolder(OpenFolder folder) : folder_(std::move(folder)) {}
  OpenFolder folder_;  // closed once kept
};

// The folders of `path`, ours alone whatever the umask is.
Status make_folders_above(const OpenFolder& destination, const std::string& path) {
  for (std::size_t end = path.find('/'); end != std::string::npos; end = path.find('/', end + 1)) {
    const std::string folder = path.substr(0, end);
    if (::mkdirat(destination.fd.get(), folder.c_str(), 0700) != 0 && errno != EEXIST) {
      return destination_error(errno, destination.below(folder));
    }
  }
  return {};
}

Result<FrozenFile> freeze_file(const OpenFolder& checkpoint, const ScannedFile& file,
                               const OpenFolder& destination, Pack& pack, CopyBudget& budget) {
  HUBREV_TRY(const OpenedFile in, open_source(checkpoint, file.source));
  if (in.stamp.size < kHardLinkFromBytes) {
    return pack.append(file.path, in, budget);
  }
  HUBREV_CHECK(make_folders_above(destination, file.path));
  return freeze_alone(file.path, in, destination, budget);
}

Result<std::vector<FrozenFile>> freeze_files(const Scan& scan, const OpenFolder& destination,
                                             Pack& pack, CopyBudget budget) {
  std::vector<FrozenFile> frozen;
  frozen.reserve(scan.files.size());
  for (const ScannedFile& file : scan.files) {
    HUBREV_TRY(FrozenFile one, freeze_file(scan.checkpoint, file, destination, pack, budget));
    frozen.push_back(std::move(one));
  }
  HUBREV_CHECK(pack.finish(frozen));
  return frozen;
}

// `spool` holds the destination. `info` becomes the spool's.
Result<Scan> scan_for(const std::string& checkpoint, const Selection& selection,
                      const std::string& spool, struct stat& info) {
  if (::stat(spool.c_str(), &info) != 0) return destination_error(errno, spool);
  HUBREV_TRY(Scan scan, scan_checkpoint(checkpoint, selection, FolderId{info.st_dev, info.st_ino}));
  if (scan.files.empty()) {
    return refused(checkpoint,
                   "holds no file to publish; name the folder that the trainer saved, or set "
                   "'contents' to full, and see 'ignore_patterns'");
  }
  return scan;
}

}  // namespace

std::optional<FileStamp> folder_stamp(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) return std::nullopt;
  FileStamp stamp = stamp_of(info);
  stamp.size = 0;  // means nothing for a folder
  return stamp;
}

Result<FreezeOutcome> freeze_checkpoint(const FreezeRequest& request) {
  const std::string parent = std::filesystem::path(request.destination).parent_path().string();
  struct stat spool {};
  HUBREV_TRY(Scan scan, scan_for(request.checkpoint, request.selection, parent, spool));
  HUBREV_TRY(NewFolder destination, NewFolder::create(request.destination));
  Pack pack(pack_path(request.destination));
  HUBREV_TRY(
      std::vector<FrozenFile> frozen,
      freeze_files(scan, destination.folder(), pack, {request.max_copied_bytes, request.stop}));
  destination.keep();
  pack.keep();
  return FreezeOutcome{std::move(frozen), std::move(scan.excluded)};
}

Result<std::uint64_t> bytes_to_copy(const std::string& checkpoint, const Selection& selection,
                                    const std::string& spool) {
  struct stat to {};
  HUBREV_TRY(const Scan scan, scan_for(checkpoint, selection, spool, to));
  std::uint64_t bytes = 0;
  for (const ScannedFile& file : scan.files) {
    struct stat from {};
    const int failed = ::fstatat(scan.checkpoint.fd.get(), file.source.c_str(), &from, 0);
    if (failed != 0) return unreadable(scan.checkpoint.below(file.source), errno);
    const auto size = static_cast<std::uint64_t>(from.st_size);
    const bool links = from.st_dev == to.st_dev && size >= kHardLinkFromBytes;
    if (!links) bytes += size;
  }
  return bytes;
}

}  // namespace hubrev
