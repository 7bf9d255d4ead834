#pragma once
// Large safetensors files become several smaller shards and an index, without copying their data.

#include <cstdint>
#include <string>
#include <vector>

#include "plugin/base/result.h"
#include "plugin/types/job_record.h"
#include "plugin/types/snapshot.h"

namespace hubrev {

struct ShardedSnapshot {
  Snapshot snapshot;
  std::vector<FixReport> reports;  // "shards": one per set of weights, or one that says unchanged
  std::vector<std::string> warnings;  // files that stay above the limit, and why
};

// Replaces model weights above `max_shard_size` (bytes of a whole file) by shards of at most that
// size: "<stem>-00001-of-0000N.safetensors", tensors in the order of their data, and
// "<stem>.safetensors.index.json" as transformers writes it. A set that is sharded already is
// renumbered as a whole; its shards that were small enough keep their bytes.
//
// Only what is loaded through an index is split: files named by a *.safetensors.index.json,
// model.safetensors and diffusion_pytorch_model.safetensors, in any folder. Anything else (a PEFT
// adapter, for one) stays whole, with a warning when it is above the limit; so does a single tensor
// that is. kInvalidInput when a header or an index is wrong, or a new name is taken already.
// Deterministic. Reads headers and indexes only; blocks on the disk.
Result<ShardedSnapshot> apply_virtual_shards(Snapshot snapshot, std::uint64_t max_shard_size);

}  // namespace hubrev
