#pragma once
// Brings LFS objects into files: batch -> GET -> SHA-256 while it is written.

#include <atomic>
#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "plugin/base/pool.h"
#include "plugin/base/result.h"
#include "plugin/lfs/batch_api.h"
#include "plugin/net/retry.h"

namespace hubrev {

struct LfsDownload {
  LfsPointer object;
  std::string path;  // in the revision, for messages
  std::string file;  // where it goes; what is there already counts as its beginning
};

// Everything here is used from several of the pool's threads at once.
struct DownloadContext {
  HttpClient* http = nullptr;
  RetryContext retry;
  ThreadPool* pool = nullptr;
  std::atomic<std::uint64_t>* here = nullptr;      // bytes of the objects that are in their files
  std::atomic<std::uint64_t>* received = nullptr;  // bytes that came, those that came twice twice
};

// Blocks until every object is in its file and has the right SHA-256. `downloads` are given largest
// first, and no two share a file. A download that breaks goes on where it was, and its attempts
// count from the beginning once it has got further. kCorrupt names the path and both digests, and
// the file is removed. The first error stops the rest; what they have got stays, for another call.
// Memory: one buffer per thread. Must not be called from one of the pool's own threads.
Status download_objects(const std::vector<LfsDownload>& downloads, const LfsServer& server,
                        const DownloadContext& context, const std::stop_token& stop);

}  // namespace hubrev
