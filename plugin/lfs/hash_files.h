#pragma once

#include <span>
#include <stop_token>

#include "plugin/base/result.h"
#include "plugin/types/commit_plan.h"
#include "plugin/types/progress.h"

namespace hubrev {

struct FileToHash {
  const LfsFile* file;
  LfsObject* object;  // filled in
};

// Reads the files to their ends on the calling thread, several at once for the reason that
// Sha256Hasher::update_together() has. An error names the file; kCancelled when stopped. Memory: a
// buffer for each file that is being read.
Status hash_files(std::span<const FileToHash> files, Progress& progress,
                  const std::stop_token& stop);

}  // namespace hubrev
