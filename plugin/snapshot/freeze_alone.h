#pragma once
// A large file of the checkpoint: into a file of its own, by the cheapest means that the file
// system has.

#include <string>

#include "plugin/base/result.h"
#include "plugin/snapshot/copy_file.h"
#include "plugin/types/snapshot.h"

namespace hubrev {

// Makes `path` in the folder, which must not exist there, hold what `in` holds: by a hard link,
// else by a reflink, else byte by byte. A reflink is not the first choice because the kernel writes
// all dirty pages of the file to disk before it shares extents: seconds for a checkpoint that was
// just saved. invalid_input when the file changes meanwhile; io or no_space when the target cannot
// be written. An error may leave a partial target. The result is for `path` in the revision.
Result<FrozenFile> freeze_alone(const std::string& path, const OpenedFile& in,
                                const OpenFolder& folder, CopyBudget& budget);

}  // namespace hubrev
