#pragma once
// What a repository remembers about its revisions, and making one of them main. Works on any git
// server: everything is read from the commits themselves.

#include <stop_token>
#include <string>
#include <vector>

#include "plugin/pipeline/connection.h"
#include "plugin/pipeline/message.h"

namespace hubrev {

struct RevisionFile {
  std::string path;
  std::uint64_t size = 0;  // bytes, of the content (not of its pointer)
  bool lfs = false;
};

struct RevisionInfo {
  std::string name;  // branch
  GitId commit;
  std::string title;
  std::int64_t unix_seconds = 0;
  RevisionFacts facts;
  std::vector<RevisionFile> files;
};

// Every branch, sorted by step and then name; branches that are not ours have no facts. Fetches the
// branches' commits (pointers and small text, no weights) into a temporary folder. Blocks.
Result<std::vector<RevisionInfo>> list_revisions(Connection& connection, const Settings& settings,
                                                 const std::stop_token& stop);

struct Promotion {
  std::string branch;
  std::string revision;
  GitId commit;          // the branch's commit afterwards
  bool changed = false;  // false: the branch had that tree already
};

// Gives `branch` one new commit with `revision`'s tree and the parents (branch, revision); without
// a branch of that name it is created. No weights are sent. kConflict when somebody else moved the
// branch meanwhile. Blocks.
Result<Promotion> promote(Connection& connection, const Settings& settings,
                          const std::string& revision, const std::string& branch, Clock& clock,
                          const std::stop_token& stop);

}  // namespace hubrev
