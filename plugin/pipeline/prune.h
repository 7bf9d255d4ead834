#pragma once
// Deleting revisions that nobody needs, and the large files that only they referred to.

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "plugin/pipeline/connection.h"
#include "plugin/pipeline/prune_rules.h"

namespace hubrev {

enum class LfsPurge { kKeep, kPurge };

enum class PruneMode {
  kPlan,  // tell what kApply would do, and change nothing
  kApply
};

struct PruneRequest {
  std::vector<RevisionAt> revisions;  // which shall go
  LfsPurge purge = LfsPurge::kKeep;
  PruneMode mode = PruneMode::kPlan;
};

// What became of the large files.
struct PurgedFiles {
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;
  // Of no commit, but sent less than a day ago: perhaps by a push that has not reached its commit.
  std::uint64_t young_objects = 0;
  std::uint64_t young_bytes = 0;
  std::string problem;  // why not all that could be freed was; "" when it was
};

struct PruneOutcome {
  std::vector<PrunedRevision> revisions;  // in the order of the request
  PurgedFiles files;                      // all zero without kPurge
};

// Deletes the requested revisions, each if it still is at its commit and judge() lets it go; the
// others are kept with a reason. With kPurge then also the large files that no ref reaches any
// more, in any commit: those of the deleted revisions, and those older than a day, which an
// interrupted prune or push has left. So a prune that was cut off is finished by running it again,
// with or without revisions. Fetches all refs (pointers and small text, no weights). Blocks.
//
// What cannot be purged (a server without that route, an answer that failed) is a problem of the
// outcome, not an Error: the revisions are gone by then.
Result<PruneOutcome> prune(Connection& connection, const Settings& settings,
                           const PruneRequest& request, Clock& clock, const std::stop_token& stop);

}  // namespace hubrev
