#pragma once

#include "plugin/base/result.h"
#include "plugin/types/commit_plan.h"
#include "plugin/types/snapshot.h"

namespace hubrev {

// Decides for every file whether git or LFS stores it, reads the former, and adds .gitattributes.
// LFS files come largest first. Blocks on local reads only.
Result<CommitPlan> make_plan(const Snapshot& snapshot);

// The plan with its LFS files' digests known: everything that determines the commit.
CommitContent make_commit_content(CommitPlan plan, const std::vector<LfsObject>& objects,
                                  std::string message, Signature signature);

}  // namespace hubrev
