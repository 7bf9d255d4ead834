#pragma once
// From the record of what was frozen back to the files, and the proof that they are still the same.
// Called by the worker, also in another process than the one that froze them.

#include <string>
#include <vector>

#include "plugin/base/result.h"
#include "plugin/types/snapshot.h"

namespace hubrev {

// A Snapshot with one entry per frozen file. `root` is the absolute folder that they were frozen
// into, with pack_path(root) beside it. kCorrupt when a file of the spool is missing or has another
// size, or when `frozen` names a path outside `root` or a range outside its file.
Result<Snapshot> open_snapshot(std::string root, std::vector<FrozenFile> frozen);

// Compares every file of the spool with its stamp. kCorrupt ("changed while pending") names the
// first that differs: a hard link shares its bytes with the trainer's file, which may be rewritten
// in place. A rewrite within the file system's time granularity (at most a few milliseconds) that
// keeps the size goes unseen.
Status verify_unchanged(const Snapshot& snapshot);

// Whether somebody wrote into a file of the snapshot (the trainer, into one that it shares), whose
// bytes are lost with that. Whatever else is kCorrupt may be in order again: the files of a spool
// that was copied, say, which are others by their inode. Any thread; blocks on the disk.
bool was_overwritten(const std::string& root, const std::vector<FrozenFile>& frozen);

}  // namespace hubrev
