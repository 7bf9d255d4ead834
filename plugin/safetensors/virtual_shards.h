#pragma once
// Large safetensors files become several smaller shards and an index, without copying their data.

#include <cstdint>
#include <string>
#include <vector>

#include "plugin/base/result.h"
#include "plugin/safetensors/shard_layout.h"
#include "plugin/types/job_record.h"
#include "plugin/types/snapshot.h"

namespace hubrev {

// Unchanged tensors are kept apart from so many bytes on: what sending them again would cost has to
// outweigh one more file to ask for and to load, for ever.
inline constexpr std::uint64_t kMinBytesApart = 64ull << 20;

bool may_keep_apart(const Entry& entry);  // whether it is that large

struct ShardedSnapshot {
  Snapshot snapshot;
  std::vector<FixReport> reports;  // "shards": one per set of weights, or one that says unchanged
  std::vector<std::string> warnings;  // files that stay above the limit, and why
  // Of the files that the next layout may keep something of apart; none without ShardRules::before.
  std::vector<PlacedShard> placed;
};

// Replaces model weights by the shards of lay_out(), where these are not the file itself:
// "<stem>-00001-of-0000N.safetensors" and "<stem>.safetensors.index.json" as transformers writes
// it. A set that is sharded already is renumbered as a whole; tensors do not leave their file for
// another's, and a file that stays as it is keeps its bytes.
//
// Only what is loaded through an index is split: files named by a *.safetensors.index.json,
// model.safetensors and diffusion_pytorch_model.safetensors, in any folder. Anything else (a PEFT
// adapter, for one) stays whole, with a warning when it is above the limit; so does a single tensor
// that is. kInvalidInput when a header or an index is wrong, or a new name is taken already.
// Deterministic. Reads headers and indexes only; blocks on the disk.
Result<ShardedSnapshot> apply_virtual_shards(Snapshot snapshot, const ShardRules& rules);

}  // namespace hubrev
