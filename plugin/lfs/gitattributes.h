#pragma once
// The .gitattributes of a revision, for those who clone it: git must run the LFS filter on exactly
// the files that were stored as pointers.

#include <optional>
#include <string>
#include <vector>

namespace hubrev {

// The paths of a revision by how they are stored.
struct StoredPaths {
  std::vector<std::string> lfs;
  std::vector<std::string> git;
};

// `existing` (the checkpoint's own .gitattributes) word for word, then those of the Hub's default
// rules that it lacks, then one exact line for each path that all these would treat wrongly: an LFS
// file that no rule covers, or a git blob that one does. Depends on the sets of paths alone, not on
// their order, and given its own output returns it unchanged.
// Not evaluated: `[attr]` macros and .gitattributes files in subfolders.
std::string gitattributes(const StoredPaths& paths, const std::optional<std::string>& existing);

}  // namespace hubrev
