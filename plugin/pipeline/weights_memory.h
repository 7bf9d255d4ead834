#pragma once

#include <functional>
#include <mutex>
#include <set>
#include <string>

#include "plugin/base/log.h"
#include "plugin/safetensors/published_weights.h"
#include "plugin/spool/spool.h"

namespace hubrev {

// What a spool remembers of the weights published last (weights.json). A memory that cannot be read
// or written costs sending, not the revision: the log says so, and the next layout starts over.
// Thread-safe; outlives the jobs that use it.
class WeightsMemory {
 public:
  WeightsMemory(const Spool& spool, Log& log) : spool_(spool), log_(log) {}

  // What training says of its parameters, in place of what an earlier one said.
  void set_frozen(std::set<std::string, std::less<>> parameters);

  // What the job's shards are laid out by: what was published last when it was first asked for. It
  // is on disk before this returns, so that a retry lays them out alike. Blocks for the disk.
  PublishedWeights take(const std::string& job_id);

  // Unless a later job was faster. Blocks for the disk.
  void remember(PublishedWeights weights);

 private:
  PublishedWeights read(const std::string& path) const;
  bool write(const std::string& path, const PublishedWeights& weights) const;

  const Spool& spool_;
  Log& log_;
  std::mutex mutex_;  // guards the spool's file
};

}  // namespace hubrev
