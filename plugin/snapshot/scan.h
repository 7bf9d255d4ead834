#pragma once
// First half of a freeze: what the checkpoint holds, and whether it can be published. Writes
// nothing.

#include <sys/types.h>

#include <string>
#include <vector>

#include "plugin/base/result.h"
#include "plugin/snapshot/open_folder.h"
#include "plugin/types/settings.h"

namespace hubrev {

struct ScannedFile {
  std::string path;    // in the revision
  std::string source;  // the regular file below the checkpoint, with no symbolic link in it
};

struct Scan {
  OpenFolder checkpoint;
  std::vector<ScannedFile> files;     // sorted by path
  std::vector<std::string> excluded;  // sorted; a folder left out as a whole ends in '/'
};

// What one folder is, whatever it is called.
struct FolderId {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const FolderId&) const = default;
};

// invalid_input names the file and what to do about it. `spool` is refused as part of the
// checkpoint: a freeze must not freeze its own destination.
Result<Scan> scan_checkpoint(const std::string& checkpoint, const Selection& selection,
                             FolderId spool);

}  // namespace hubrev
