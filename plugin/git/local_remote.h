#pragma once
// A remote that is a folder: a bare repository which others may read and push to at the same time,
// from other machines too. Objects are on disk before a ref names them; a ref moves by
// compare-and-swap under git's own lock files. The repository's hooks do not run, since no server
// does. Internal to this layer; each call is one attempt.

#include <string>
#include <vector>

#include "plugin/git/remote.h"

namespace hubrev {

bool is_local(const Remote& remote);

// As the functions of remote.h. A ref that another process holds locked is kServer: worth another
// attempt.
Result<std::vector<RemoteRef>> list_local_refs(const Remote& remote);
// Copies nothing: the remote's objects become the repository's, as long as that lives.
Status fetch_local(Repository& repository, const Remote& remote,
                   const std::vector<std::string>& refs);
Result<PushOutcome> push_local(Repository& repository, const Remote& remote,
                               const PushRequest& request);
Result<DeleteResult> delete_local_ref(const Remote& remote, const RefDeletion& deletion);

}  // namespace hubrev
