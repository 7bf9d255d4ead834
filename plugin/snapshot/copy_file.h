#pragma once
// Second half of a freeze: one file at a time, by the cheapest means that the file system has.

#include <string>

#include "plugin/base/result.h"
#include "plugin/snapshot/scan.h"
#include "plugin/types/snapshot.h"

namespace hubrev {

// Makes `target`, which must not exist, hold what `file` holds: by a hard link, else by a reflink,
// else byte by byte; small files always byte by byte. A reflink is not the first choice because
// the kernel writes all dirty pages of the file to disk before it shares extents: seconds for a
// checkpoint that was just saved. invalid_input when the file cannot be read, vanished, or changes
// meanwhile; io when the target cannot be written. An error may leave a partial target.
Result<FrozenFile> freeze_file(const ScannedFile& file, const std::string& target);

}  // namespace hubrev
