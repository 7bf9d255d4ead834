#include "plugin/snapshot/freeze.h"

#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
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

// A folder that goes away with everything in it unless it is kept. It may be there, and is empty
// then.
class NewFolder {
 public:
  static Result<NewFolder> create(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) == 0) return NewFolder(path);
    const int code = errno;
    std::error_code ignored;
    if (code != EEXIST || !std::filesystem::is_empty(path, ignored)) {
      return destination_error(code, path);
    }
    return NewFolder(path);
  }
  ~NewFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  NewFolder(NewFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  NewFolder& operator=(NewFolder&&) = delete;
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  void keep() { path_.clear(); }

 private:
  explicit NewFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;  // empty once kept
};

// The folders of `path`, ours alone whatever the umask is.
Status make_folders_above(const std::string& destination, const std::string& path) {
  for (std::size_t end = path.find('/'); end != std::string::npos; end = path.find('/', end + 1)) {
    const std::string folder = destination + "/" + path.substr(0, end);
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
      return destination_error(errno, folder);
    }
  }
  return {};
}

Result<FrozenFile> freeze_file(const ScannedFile& file, const std::string& destination, Pack& pack,
                               CopyBudget& budget) {
  HUBREV_TRY(const OpenedFile in, open_source(file.source));
  if (in.stamp.size < kHardLinkFromBytes) {
    return pack.append(file.path, in, budget);
  }
  HUBREV_CHECK(make_folders_above(destination, file.path));
  return freeze_alone(file.path, in, destination + "/" + file.path, budget);
}

Result<std::vector<FrozenFile>> freeze_files(const std::vector<ScannedFile>& files,
                                             const std::string& destination, Pack& pack,
                                             CopyBudget budget) {
  std::vector<FrozenFile> frozen;
  frozen.reserve(files.size());
  for (const ScannedFile& file : files) {
    HUBREV_TRY(FrozenFile one, freeze_file(file, destination, pack, budget));
    frozen.push_back(std::move(one));
  }
  HUBREV_CHECK(pack.finish(frozen));
  return frozen;
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
  if (::stat(parent.c_str(), &spool) != 0) return destination_error(errno, parent);
  HUBREV_TRY(Scan scan, scan_checkpoint(request.checkpoint, request.contents,
                                        FolderId{spool.st_dev, spool.st_ino}));
  if (scan.files.empty()) {
    return refused(request.checkpoint,
                   "holds no file to publish; name the folder that the trainer saved, or set "
                   "'contents' to full");
  }
  HUBREV_TRY(NewFolder destination, NewFolder::create(request.destination));
  Pack pack(pack_path(request.destination));
  HUBREV_TRY(std::vector<FrozenFile> frozen,
             freeze_files(scan.files, request.destination, pack, {request.max_copied_bytes}));
  destination.keep();
  pack.keep();
  return FreezeOutcome{std::move(frozen), std::move(scan.excluded)};
}

}  // namespace hubrev
