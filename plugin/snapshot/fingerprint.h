#pragma once
// Whether anything happens to a checkpoint: for who sees a folder, but not its trainer.

#include <cstdint>
#include <optional>
#include <string>

#include "plugin/base/result.h"

namespace hubrev {

// Stands for path, inode, size and modification time of every file in the folder. While it stays
// the same nothing was written, added, renamed or deleted there. invalid_input when the folder is
// not there, or changes while it is looked at. Reads no file; a few system calls for each.
Result<std::string> fingerprint(const std::string& checkpoint);

// When the checkpoint was last written, in nanoseconds: it differs after it is saved again. nullopt
// when it is not there or cannot be looked at. The time is that of the trainer's state, which every
// save writes last; the folder's own would also change when somebody adds a file, and counts where
// there is no state.
std::optional<std::int64_t> saved_at(const std::string& checkpoint);

}  // namespace hubrev
