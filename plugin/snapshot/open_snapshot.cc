#include "plugin/snapshot/open_snapshot.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>

#include "plugin/snapshot/path_rules.h"
#include "plugin/snapshot/stamp.h"

namespace hubrev {
namespace {

Error corrupt(const std::string& path, const std::string& what) {
  return make_error(ErrorKind::kCorrupt, shown_path(path) + " " + what);
}

Result<FileStamp> stamp_at(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) {
      return corrupt(
          path, "is missing from the spool; publish the checkpoint again, and cancel this job");
    }
    return errno_error(errno, "cannot stat " + shown_path(path));
  }
  if (!S_ISREG(info.st_mode)) {
    return corrupt(path, "is no regular file any more; publish the checkpoint again");
  }
  return stamp_of(info);
}

Error changed(const FrozenFile& file, const std::string& path, const FileStamp& now) {
  const bool looks_alike = now.size == file.stamp.size && now.mtime_ns == file.stamp.mtime_ns;
  if (now.inode != file.stamp.inode && (looks_alike || file.method == FreezeMethod::kHardLink)) {
    return corrupt(
        path,
        "is not the file that was frozen but a copy, or on a file system that renumbers its "
        "inodes; push from the spool itself, or publish the checkpoint again");
  }
  return corrupt(path, file.method == FreezeMethod::kHardLink
                           ? "changed while pending, because the trainer saved the same checkpoint "
                             "again; publish it again"
                           : "changed while pending, though nobody but the worker may write there; "
                             "publish the checkpoint again");
}

// Where the bytes of `file` lie. Precondition: its range was checked.
FileRange range_of(const std::string& root, const FrozenFile& file) {
  const bool packed = file.method == FreezeMethod::kPacked;
  return {packed ? pack_path(root) : root + "/" + file.path, file.offset, file.length};
}

// The stamps of the files that a snapshot lies in; asks for the pack's only once.
class StampReader {
 public:
  // `path` is that of range_of(file).
  Result<FileStamp> read(const FrozenFile& file, const std::string& path) {
    if (file.method != FreezeMethod::kPacked) return stamp_at(path);
    if (!pack_) {
      HUBREV_TRY(pack_, stamp_at(path));
    }
    return *pack_;
  }

 private:
  std::optional<FileStamp> pack_;
};

// The list comes from a file on disk: it must lead neither out of the spool nor past a file's end.
Status check_listed(const FrozenFile& file) {
  if (const auto problem = path_problem(file.path)) {
    return corrupt(file.path, "is no path of a snapshot, its name " + std::string(*problem) +
                                  "; publish the checkpoint again");
  }
  const bool fits =
      file.method == FreezeMethod::kPacked
          ? file.offset <= file.stamp.size && file.length <= file.stamp.size - file.offset
          : file.offset == 0 && file.length == file.stamp.size;
  if (!fits) {
    return corrupt(
        file.path,
        "is listed with a wrong range in the job's record; publish the checkpoint again");
  }
  return {};
}

}  // namespace

Result<Snapshot> open_snapshot(std::string root, std::vector<FrozenFile> frozen) {
  std::sort(frozen.begin(), frozen.end(),
            [](const FrozenFile& a, const FrozenFile& b) { return a.path < b.path; });
  Snapshot snapshot{std::move(root), std::move(frozen), {}};
  snapshot.entries.reserve(snapshot.frozen.size());
  StampReader stamps;
  for (const FrozenFile& file : snapshot.frozen) {
    HUBREV_CHECK(check_listed(file));
    if (!snapshot.entries.empty() && snapshot.entries.back().path == file.path) {
      return corrupt(file.path,
                     "is listed twice in the job's record; publish the checkpoint again");
    }
    FileRange range = range_of(snapshot.root, file);
    HUBREV_TRY(const FileStamp stamp, stamps.read(file, range.path));
    if (stamp.size != file.stamp.size) return changed(file, range.path, stamp);
    snapshot.entries.push_back({file.path, Source::from_range(std::move(range))});
  }
  return snapshot;
}

Status verify_unchanged(const Snapshot& snapshot) {
  StampReader stamps;
  for (const FrozenFile& file : snapshot.frozen) {
    const std::string path = range_of(snapshot.root, file).path;
    HUBREV_TRY(const FileStamp stamp, stamps.read(file, path));
    if (stamp != file.stamp) return changed(file, path, stamp);
  }
  return {};
}

bool was_overwritten(const std::string& root, const std::vector<FrozenFile>& frozen) {
  return std::any_of(frozen.begin(), frozen.end(), [&](const FrozenFile& file) {
    const auto now = stamp_at(range_of(root, file).path);
    return now.ok() && now->inode == file.stamp.inode && *now != file.stamp;
  });
}

}  // namespace hubrev
