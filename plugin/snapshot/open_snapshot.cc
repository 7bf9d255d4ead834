#include "plugin/snapshot/open_snapshot.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
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
      return corrupt(path, "is missing from the spool; publish the checkpoint again");
    }
    return errno_error(errno, "cannot stat " + shown_path(path));
  }
  if (!S_ISREG(info.st_mode)) {
    return corrupt(path, "is no regular file any more; publish the checkpoint again");
  }
  return stamp_of(info);
}

Error changed(const std::string& path) {
  return corrupt(path,
                 "changed while pending, because the trainer saved the same checkpoint again; "
                 "publish it again");
}

}  // namespace

Result<Snapshot> open_snapshot(std::string root, std::vector<FrozenFile> frozen) {
  std::sort(frozen.begin(), frozen.end(),
            [](const FrozenFile& a, const FrozenFile& b) { return a.path < b.path; });
  Snapshot snapshot{std::move(root), std::move(frozen), {}};
  snapshot.entries.reserve(snapshot.frozen.size());
  for (const FrozenFile& file : snapshot.frozen) {
    // The list comes from a file on disk and must not lead out of the spool.
    if (const auto problem = path_problem(file.path)) {
      return corrupt(file.path, "is no path of a snapshot, its name " + std::string(*problem) +
                                    "; publish the checkpoint again");
    }
    if (!snapshot.entries.empty() && snapshot.entries.back().path == file.path) {
      return corrupt(file.path,
                     "is listed twice in the job's record; publish the checkpoint again");
    }
    const std::string path = snapshot.root + "/" + file.path;
    HUBREV_TRY(const FileStamp stamp, stamp_at(path));
    if (stamp.size != file.stamp.size) return changed(path);
    snapshot.entries.push_back({file.path, Source::from_file(path, stamp.size)});
  }
  return snapshot;
}

Status verify_unchanged(const Snapshot& snapshot) {
  for (const FrozenFile& file : snapshot.frozen) {
    const std::string path = snapshot.root + "/" + file.path;
    HUBREV_TRY(const FileStamp stamp, stamp_at(path));
    if (stamp != file.stamp) return changed(path);
  }
  return {};
}

}  // namespace hubrev
