#pragma once
// What reading and changing a repository have in common: where it is, and what its refs are called.

#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "plugin/base/clock.h"
#include "plugin/git/remote.h"
#include "plugin/pipeline/connection.h"
#include "plugin/types/commit_plan.h"

namespace hubrev {

inline constexpr std::string_view kBranchPrefix = "refs/heads/";
inline constexpr std::string_view kTagPrefix = "refs/tags/";

// The branch of results and decisions: the repository's memory beside its revisions.
inline constexpr std::string_view kRecordsBranch = "evaluations";

Remote remote_of(const Connection& connection, const Target& target);

std::string branch_ref(std::string_view branch);
std::string tag_ref(std::string_view tag);
std::optional<GitId> find_ref(const std::vector<RemoteRef>& refs, std::string_view name);

// Fetches what `revision` names, and says which commit that is: a branch, a tag, or the id of a
// commit that is in the history of one. kNotFound without such a revision. Blocks.
Result<GitId> fetch_commit(Repository& repository, const Connection& connection,
                           const Target& target, const std::string& revision,
                           const std::stop_token& stop);

// The author of commits that no job stands behind.
Signature own_signature(Clock& clock);

}  // namespace hubrev
