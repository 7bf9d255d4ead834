#pragma once
// Making a branch or a tag equal to a revision. No weights are sent: the server has them.

#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "plugin/base/clock.h"
#include "plugin/git/commit_writer.h"
#include "plugin/pipeline/connection.h"

namespace hubrev {

struct Promotion {
  std::string target;  // the branch's or tag's name
  std::string revision;
  GitId commit;          // what it has afterwards
  bool changed = false;  // false: it was so already
};

struct PromoteRequest {
  std::string revision;             // a branch
  std::optional<GitId> commit;      // which it must still have, else kConflict
  std::string branch;               // to be made equal
  std::vector<FileChange> changes;  // on top of the revision's files, e.g. the card
};

// Gives `branch` one new commit with `revision`'s files and the parents (branch, revision); without
// a branch of that name it is created. kConflict when somebody else moved the branch meanwhile, and
// for a branch that is a revision itself. Blocks.
Result<Promotion> promote(Connection& connection, const Settings& settings,
                          const PromoteRequest& request, Clock& clock, const std::stop_token& stop);

// Gives the tag the revision's very commit, wherever it was before; kConflict when somebody else
// moved it meanwhile, or the revision no longer has `commit`. Blocks.
Result<Promotion> promote_tag(Connection& connection, const Settings& settings,
                              const std::string& revision, const std::optional<GitId>& commit,
                              const std::string& tag, const std::stop_token& stop);

// Moves branches that only point ("latest", "best") to revisions' commits, by the branches' names.
// kConflict for a branch that holds something else than a revision of ours: nobody's work is
// replaced by a pointer. Blocks.
Result<std::vector<Promotion>> move_pointers(Connection& connection, const Settings& settings,
                                             const std::map<std::string, GitId>& pointers,
                                             const std::stop_token& stop);

}  // namespace hubrev
