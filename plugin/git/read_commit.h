#pragma once
// What a fetched revision says about itself.

#include <cstdint>
#include <string>
#include <vector>

#include "plugin/base/ids.h"
#include "plugin/base/result.h"
#include "plugin/git/repository.h"

namespace hubrev {

// One file of a commit's tree.
struct TreeFile {
  std::string path;
  std::uint32_t mode = 0;   // git's: 0100644, 0100755, 0120000 (link), 0160000 (submodule)
  std::uint64_t size = 0;   // bytes of the blob; 0 for a submodule
  std::string small_bytes;  // the blob where it is shorter than 1 KiB (every LFS pointer is)
};

struct CommitInfo {
  GitId id;
  std::string message;            // as committed: not necessarily UTF-8
  std::int64_t unix_seconds = 0;  // the committer's
  std::vector<TreeFile> files;    // in git's order
};

// kNotFound when the commit is not in the repository; kRejected above 100 000 files or 64 levels of
// folders, which no model repository has; kCorrupt when objects below the commit are missing.
Result<CommitInfo> read_commit(Repository& repository, const GitId& commit);

}  // namespace hubrev
