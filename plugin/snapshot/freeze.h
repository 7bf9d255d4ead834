#pragma once
// Takes a checkpoint out of the trainer's reach without reading it: the trainer may delete or
// rewrite its folder as soon as freeze_checkpoint() has returned.

#include <cstdint>
#include <limits>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "plugin/base/result.h"
#include "plugin/types/settings.h"
#include "plugin/types/snapshot.h"

namespace hubrev {

// Files of at least this many bytes are hard-linked where that is possible; smaller ones are
// copied into the pack, which costs no more and makes them safe from being rewritten in place.
inline constexpr std::uint64_t kHardLinkFromBytes = 1ull << 20;

struct FreezeRequest {
  std::string checkpoint;   // the folder the trainer saved
  std::string destination;  // a folder that is empty or to be made, like its pack_path(); its
                            // parent exists, on the checkpoint's file system if possible
  Selection selection = {};
  std::uint64_t max_copied_bytes = std::numeric_limits<std::uint64_t>::max();
  std::stop_token stop = {};  // ends a copy, which may take long
};

struct FreezeOutcome {
  std::vector<FrozenFile> frozen;     // sorted by path
  std::vector<std::string> excluded;  // sorted; a folder left out as a whole ends in '/'
};

// Runs on the training thread: a few system calls per file, no fsync, no hashing. Bytes are copied
// only below kHardLinkFromBytes, or where the file system can neither reflink nor hard-link.
// Creates as little as it can: the destination (also when everything is packed), one pack for all
// small files, and of the checkpoint's folders those that hold a large file. Never writes to the
// checkpoint folder: rotation sorts by its modification time. Links inside the checkpoint are
// followed and frozen as the file they name. Thread-safe for distinct destinations. Errors:
// invalid_input when the checkpoint cannot be published as it is, io when the destination cannot be
// written, no_space when it is full or max_copied_bytes do not suffice, cancelled. After an error
// nothing that this call created is left.
Result<FreezeOutcome> freeze_checkpoint(const FreezeRequest& request);

// How many bytes that would copy into a folder of `spool`: of all files, or of the small ones where
// the others can be linked. An estimate. invalid_input as above, before anything is made room for.
Result<std::uint64_t> bytes_to_copy(const std::string& checkpoint, const Selection& selection,
                                    const std::string& spool);

// Which folder is at `path`: its inode and modification time; nullopt when there is none.
std::optional<FileStamp> folder_stamp(const std::string& path);

}  // namespace hubrev
