#pragma once
// Adding small files to a branch that several writers share.

#include <stop_token>
#include <string>
#include <vector>

#include "plugin/base/clock.h"
#include "plugin/git/commit_writer.h"
#include "plugin/pipeline/connection.h"

namespace hubrev {

struct Appended {
  GitId commit;          // the branch's commit afterwards; zero where there is no branch still
  bool changed = false;  // false: it was so already, and nothing was pushed
};

// One commit on top of `branch` with the changes; the branch is made if it is not there. Whoever
// pushes to it at the same time loses nothing: the changes are then applied again, to what they
// left, so that of two writers of one path the later one wins. kConflict if that never ends.
// Blocks.
Result<Appended> append_files(Connection& connection, const Settings& settings,
                              const std::string& branch, const std::vector<FileChange>& changes,
                              const std::string& message, Clock& clock,
                              const std::stop_token& stop);

}  // namespace hubrev
