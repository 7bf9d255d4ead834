#pragma once
// Uploads LFS files: hash -> batch -> PUT or transfer agent -> verify, several groups of files at a
// time.

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <vector>

#include "plugin/base/pool.h"
#include "plugin/base/result.h"
#include "plugin/lfs/batch_api.h"
#include "plugin/lfs/objects_in_flight.h"
#include "plugin/net/retry.h"
#include "plugin/types/commit_plan.h"
#include "plugin/types/progress.h"
#include "plugin/types/transfer_agent.h"

namespace hubrev {

// What transfer agents are told and given, and what is done with their words.
struct AgentContext {
  std::vector<TransferAgent> agents;
  std::string remote;                    // the repository's address
  std::string objects;                   // folder for objects that are no file; made when needed
  std::vector<std::string> environment;  // "NAME=value"; the token is taken out of it
  std::function<void(const std::string&)> log;  // takes lines of their standard error
};

// Everything here is used from several of the pool's threads at once.
struct UploadContext {
  HttpClient* http = nullptr;
  RetryContext retry;
  ThreadPool* pool = nullptr;
  // Bytes; the store takes no larger object in one PUT. Absent: no such limit is known.
  std::optional<std::uint64_t> max_put_size;
  Progress* progress = nullptr;          // bytes_total is the caller's
  ObjectsInFlight* in_flight = nullptr;  // of every upload that may run beside this one
  // Asked when a group of files is hashed and before any of its bytes is sent; an error ends the
  // upload. May be empty.
  std::function<Status()> still_unchanged;
  AgentContext agents = {};
};

// Blocks until every file is stored and verified; one object per file, in the files' order. `files`
// are given largest first, and none is empty (an empty file is a git blob). The first error stops
// the rest and names the path. An object that occurs twice is sent once and counted as present the
// second time. Before any byte is sent it is known that no object is too large for the ways that
// the server offers. Memory: a few buffers per thread, whatever the size of a file. Must not be
// called from one of the pool's own threads.
Result<std::vector<LfsObject>> upload_files(const std::vector<LfsFile>& files,
                                            const LfsServer& server, const UploadContext& context,
                                            const std::stop_token& stop);

}  // namespace hubrev
