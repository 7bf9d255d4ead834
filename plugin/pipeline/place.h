#pragma once
// Brings a commit to its branch, by the setting `exists` where the branch holds another one.

#include <stop_token>
#include <string>
#include <vector>

#include "plugin/git/remote.h"
#include "plugin/types/settings.h"

namespace hubrev {

struct Placement {
  GitId commit;             // what the branch holds now
  std::string server_text;  // what the server's hooks wrote; "" when nothing
};

struct PlaceRequest {
  GitId commit;  // in the repository, with everything it refers to
  std::string branch;
  ExistingRevision exists = ExistingRevision::kVerify;
  // Commits that this spool has pushed to the branch before; they give way under every policy.
  std::vector<GitId> own;
  std::string advertisement;  // as PushRequest::advertisement
};

// kVerify and kSuffix: a commit of somebody else stays; where it holds the same files, that is a
// success with their commit, else kConflict. kOverwrite: it gives way, unless it moves time and
// again. Blocks; the repository's thread.
Result<Placement> place_commit(Repository& repository, const Remote& remote, PlaceRequest request,
                               const std::stop_token& stop);

}  // namespace hubrev
