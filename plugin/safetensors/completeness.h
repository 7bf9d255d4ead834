#pragma once
// Whether a checkpoint's weights are all there, before anything of it is published.

#include <optional>
#include <string>
#include <vector>

#include "plugin/base/result.h"
#include "plugin/types/snapshot.h"

namespace hubrev {

// Checks every *.safetensors file's header against its size, and every shard index (of safetensors
// and of .bin files) against the shards: all named files are there and, for safetensors, each holds
// exactly the tensors that the index says. A snapshot without any file of weights is refused too.
// kInvalidInput names the file and what is wrong. Reads headers only; blocks on the disk.
Status check_weights(const Snapshot& snapshot);

enum class ShardedBy {
  kFsdp,      // torch's distributed checkpoint
  kDeepSpeed  // ZeRO-3's files of each rank
};

// Weights that nothing loads which does not shard in the same way.
struct ShardedWeights {
  ShardedBy engine = ShardedBy::kFsdp;
  std::string folder;  // ends in '/'
};

// A checkpoint's, when it has no others. `excluded` is what freezing left out; a folder in it ends
// in '/'.
std::optional<ShardedWeights> sharded_weights_only(const Snapshot& snapshot,
                                                   const std::vector<std::string>& excluded);

}  // namespace hubrev
