#pragma once
// Uploads LFS files: hash -> batch -> PUT -> verify, several groups of files at a time.

#include <functional>
#include <stop_token>
#include <vector>

#include "plugin/base/pool.h"
#include "plugin/base/result.h"
#include "plugin/lfs/batch_api.h"
#include "plugin/lfs/objects_in_flight.h"
#include "plugin/net/retry.h"
#include "plugin/types/commit_plan.h"
#include "plugin/types/progress.h"

namespace hubrev {

// Everything here is used from several of the pool's threads at once.
struct UploadContext {
  HttpClient* http = nullptr;
  RetryContext retry;
  ThreadPool* pool = nullptr;
  Progress* progress = nullptr;          // bytes_total is the caller's
  ObjectsInFlight* in_flight = nullptr;  // of every upload that may run beside this one
  // Asked when a group of files is hashed and before any of its bytes is sent; an error ends the
  // upload. May be empty.
  std::function<Status()> still_unchanged;
};

// Blocks until every file is stored and verified; one object per file, in the files' order. `files`
// are given largest first, and none is empty (an empty file is a git blob). The first error stops
// the rest and names the path. An object that occurs twice is sent once and counted as present the
// second time. Memory: one buffer per thread, whatever the size of a file. Must not be called from
// one of the pool's own threads.
Result<std::vector<LfsObject>> upload_files(const std::vector<LfsFile>& files,
                                            const LfsServer& server, const UploadContext& context,
                                            const std::stop_token& stop);

}  // namespace hubrev
