#include "plugin/snapshot/freeze.h"

#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "plugin/snapshot/copy_file.h"
#include "plugin/snapshot/path_rules.h"
#include "plugin/snapshot/refusal.h"
#include "plugin/snapshot/scan.h"

namespace hubrev {
namespace {

Error destination_error(int code, const std::string& path) {
  return errno_error(code, "cannot freeze into " + shown_path(path) +
                               ", make it writable or choose another 'spool_dir'");
}

// A new folder that goes away with everything in it unless it is kept.
class NewFolder {
 public:
  static Result<NewFolder> create(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) != 0) return destination_error(errno, path);
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

Result<std::vector<FrozenFile>> freeze_files(const std::vector<ScannedFile>& files,
                                             const std::string& destination) {
  std::vector<FrozenFile> frozen;
  frozen.reserve(files.size());
  for (const ScannedFile& file : files) {
    const std::filesystem::path target = std::filesystem::path(destination) / file.path;
    if (file.path.find('/') != std::string::npos) {
      std::error_code code;
      std::filesystem::create_directories(target.parent_path(), code);
      if (code) return destination_error(code.value(), target.parent_path().string());
    }
    HUBREV_TRY(FrozenFile one, freeze_file(file, target.string()));
    frozen.push_back(std::move(one));
  }
  return frozen;
}

}  // namespace

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
  HUBREV_TRY(std::vector<FrozenFile> frozen, freeze_files(scan.files, request.destination));
  destination.keep();
  return FreezeOutcome{std::move(frozen), std::move(scan.excluded)};
}

}  // namespace hubrev
