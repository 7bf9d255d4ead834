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
  GitId id;                 // of the blob, or the submodule's commit
  std::uint64_t size = 0;   // bytes of the blob; 0 for a submodule
  std::string small_bytes;  // the blob where it is shorter than 1 KiB (every LFS pointer is)
};

struct CommitInfo {
  GitId id;
  std::string message;            // as committed: not necessarily UTF-8
  std::int64_t unix_seconds = 0;  // the committer's
  std::vector<GitId> parents;
  std::vector<TreeFile> files;  // in git's order
};

// kNotFound when the commit is not in the repository; kRejected above 100 000 files or 64 levels of
// folders, which no model repository has; kCorrupt when objects below the commit are missing.
Result<CommitInfo> read_commit(Repository& repository, const GitId& commit);

// The commit that an id stands for: itself, or what an annotated tag of that id leads to. kNotFound
// when it is not in the repository, or leads to no commit.
Result<GitId> peel_to_commit(Repository& repository, const GitId& id);

// The content of a blob, which is held whole: look at TreeFile::size before. kNotFound when it is
// not in the repository.
Result<std::string> read_blob(Repository& repository, const GitId& id);

}  // namespace hubrev
