#pragma once
// Writes commits into a scratch repository. Local and deterministic: the same arguments give the
// same id, in any process, at any time.

#include <optional>
#include <string>
#include <vector>

#include "plugin/base/ids.h"
#include "plugin/base/result.h"
#include "plugin/git/repository.h"
#include "plugin/types/commit_plan.h"

namespace hubrev {

// A commit without parents that holds exactly content.files, each with mode 100644. The signature
// is author and committer, at +0000. kInvalidInput names a path that git cannot hold (empty part,
// '.', '..', '.git', absolute, twice, both file and folder) and an unusable signature or message.
Result<GitId> write_root_commit(Repository& repository, const CommitContent& content);

struct FileChange {
  std::string path;
  std::optional<std::string> bytes;  // nullopt: the file goes, if it is there
};

// A commit with the given parents, in order, whose tree is that of `base` (empty without one) after
// the changes; a changed file gets mode 100644. kNotFound when one of the commits is not in the
// repository (fetch it first); kInvalidInput as above.
Result<GitId> write_changed_commit(Repository& repository, const std::optional<GitId>& base,
                                   const std::vector<FileChange>& changes,
                                   const std::vector<GitId>& parents, const std::string& message,
                                   const Signature& signature);

// The tree of a commit; kNotFound when the commit is not in the repository.
Result<GitId> tree_id(Repository& repository, const GitId& commit);

}  // namespace hubrev
