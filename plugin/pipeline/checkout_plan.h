#pragma once
// What a revision's files are, decided before any is written.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "plugin/base/ids.h"
#include "plugin/base/result.h"
#include "plugin/git/read_commit.h"
#include "plugin/git/repository.h"
#include "plugin/lfs/pointer.h"

namespace hubrev {

struct CheckoutFile {
  std::string path;
  std::uint64_t size = 0;     // bytes, of the content
  Sha256 sha256;              // of the content
  std::optional<GitId> blob;  // where git stores it itself; else it is an LFS object
};

// The files of a commit, in git's order, safe to be written below a folder. kRejected, naming the
// file, for what is no file (a symbolic link, a submodule), for a path that leads elsewhere (see
// path_problem()), and for one that occurs twice; kCorrupt where the commit tells a content digest
// and the files have another. Reads the blobs, one at a time.
Result<std::vector<CheckoutFile>> plan_checkout(Repository& repository, const CommitInfo& commit);

}  // namespace hubrev
