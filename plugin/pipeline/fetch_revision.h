#pragma once
// Brings back a revision: the other direction of run_job().

#include <atomic>
#include <cstdint>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "plugin/pipeline/checkout_plan.h"
#include "plugin/pipeline/connection.h"
#include "plugin/pipeline/message.h"

namespace hubrev {

struct FetchRequest {
  std::string revision;  // as fetch_commit() finds it
  std::string folder;    // absolute
};

// How far a fetch is, read while it runs. Thread-safe.
struct FetchProgress {
  std::atomic<std::uint64_t> bytes_total{0};     // of all LFS objects
  std::atomic<std::uint64_t> bytes_here{0};      // of them, those that are on this disk
  std::atomic<std::uint64_t> bytes_received{0};  // those that came twice, twice

  // Something failed and is tried again.
  void note_retry(std::string error);
  std::string last_error() const;  // "" for none

 private:
  mutable std::mutex mutex_;  // guards last_error_
  std::string last_error_;
};

struct FetchedRevision {
  std::string repo_id;  // with its namespace
  GitId commit;
  RevisionFacts facts;
  std::vector<CheckoutFile> files;
  bool changed = true;  // false: the folder held all of it already
};

// The folder appears whole or not at all, and only with the bytes that the commit names; an
// interrupted fetch goes on where it was (see checkout_folder.h). Nothing is written beside it but
// `<folder>.incomplete`. kConflict when the folder holds something else. Blocks.
Result<FetchedRevision> fetch_revision(Connection& connection, const Settings& settings,
                                       const FetchRequest& request, FetchProgress& progress,
                                       const std::stop_token& stop);

}  // namespace hubrev
