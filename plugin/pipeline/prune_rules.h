#pragma once
// Which revisions may be deleted at all. Pure: a picture of the repository in, verdicts out.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "plugin/base/ids.h"

namespace hubrev {

// A revision as the caller saw it.
struct RevisionAt {
  std::string revision;  // branch
  GitId commit;
};

enum class PruneVerdict {
  kDeleted,
  kGone,  // it was not there
  kKept,
};

struct PrunedRevision {
  std::string revision;
  GitId commit;
  PruneVerdict verdict = PruneVerdict::kDeleted;
  std::string reason;  // why it is kept: "branch 'latest' points to it"; else ""
};

// One ref of the repository.
struct KnownRef {
  std::string name;            // full: "refs/heads/x"
  GitId commit;                // behind an annotated tag, the tagged one
  std::string published_as;    // RevisionFacts::revision of the commit; "" when it is not ours
  std::int64_t step = -1;      // of the commit
  std::vector<GitId> history;  // the commit and all that it descends from
};

// Whether the ref is a revision of its own, not another name for one.
bool is_revision(const KnownRef& ref);

// A verdict for each wanted revision, in order, each name once. Kept are: main and evaluations;
// what is not at the wanted commit; what hub-revisions did not publish under that name; what
// another branch or tag points to or descends from; and the last revision of all.
std::vector<PrunedRevision> judge(const std::vector<RevisionAt>& wanted,
                                  const std::vector<KnownRef>& refs);

}  // namespace hubrev
