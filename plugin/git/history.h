#pragma once
// What refs lead to, through all their history. On fetched objects; nothing here asks the server.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "plugin/base/ids.h"
#include "plugin/base/result.h"
#include "plugin/git/repository.h"

namespace hubrev {

// As committed: not necessarily UTF-8. kNotFound when the commit is not in the repository.
Result<std::string> message_of(Repository& repository, const GitId& commit);

// The commit and all that it descends from, itself first. kCorrupt when one of them is missing.
Result<std::vector<GitId>> history_of(Repository& repository, const GitId& commit);

// Calls `visit` for every blob below 1 KiB (every LFS pointer is) in the trees of these commits,
// once for each different one. kCorrupt when an object is missing: then not all were visited.
Status visit_small_blobs(Repository& repository, const std::vector<GitId>& commits,
                         const std::function<void(std::string_view bytes)>& visit);

}  // namespace hubrev
