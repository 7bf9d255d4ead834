#pragma once
// Which of the stored large files nothing refers to any more, and deleting those.

#include <cstdint>
#include <set>
#include <stop_token>
#include <vector>

#include "plugin/base/clock.h"
#include "plugin/git/repository.h"
#include "plugin/hub/lfs_files.h"

namespace hubrev {

// The objects that any of these commits refers to. Generous: whatever looks like a pointer counts,
// also in a form that git-lfs would not write, since what is missing here may be deleted. kCorrupt
// when not all of it can be read.
Result<std::set<Sha256>> objects_of(Repository& repository, const std::vector<GitId>& commits);

// Time in which a push brings its commit after its objects, generously.
inline constexpr std::int64_t kUploadMs = 24ll * 60 * 60 * 1000;

struct Purgeable {
  std::vector<StoredLfsFile> free;   // nothing refers to them
  std::vector<StoredLfsFile> young;  // nothing refers to them yet: they may be of a push under way
};

// Of the stored files those that `needed` has not: free at once if `doomed` has them, else when
// they were sent longer than kUploadMs ago. What has no date is young. Pure.
Purgeable find_purgeable(const std::vector<StoredLfsFile>& stored, const std::set<Sha256>& needed,
                         const std::set<Sha256>& doomed, std::int64_t now_ms);

}  // namespace hubrev
