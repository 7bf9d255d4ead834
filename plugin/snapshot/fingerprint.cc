#include "plugin/snapshot/fingerprint.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "plugin/base/sha256.h"
#include "plugin/snapshot/refusal.h"
#include "plugin/snapshot/stamp.h"

namespace hubrev {

Result<std::string> fingerprint(const std::string& checkpoint) {
  namespace fs = std::filesystem;
  std::vector<std::string> lines;
  std::error_code code;
  for (fs::recursive_directory_iterator at(checkpoint, code), end; !code && at != end;
       at.increment(code)) {
    struct stat info {};
    if (::lstat(at->path().c_str(), &info) != 0) return unreadable(at->path().string(), errno);
    if (S_ISDIR(info.st_mode)) continue;
    const FileStamp stamp = stamp_of(info);
    lines.push_back(at->path().string() + '\0' + std::to_string(stamp.inode) + ' ' +
                    std::to_string(stamp.size) + ' ' + std::to_string(stamp.mtime_ns) + '\n');
  }
  if (code) return unreadable(checkpoint, code.value());
  std::sort(lines.begin(), lines.end());
  std::string all;
  for (const std::string& line : lines) all += line;
  return sha256(all).hex();
}

std::optional<std::int64_t> saved_at(const std::string& checkpoint) {
  struct stat info {};
  if (::stat((checkpoint + "/trainer_state.json").c_str(), &info) == 0) {
    return stamp_of(info).mtime_ns;
  }
  if (errno != ENOENT || ::stat(checkpoint.c_str(), &info) != 0) return std::nullopt;
  return stamp_of(info).mtime_ns;
}

}  // namespace hubrev
