#pragma once
// Whether a checkpoint's weights are all there, before anything of it is published.

#include "plugin/base/result.h"
#include "plugin/types/snapshot.h"

namespace hubrev {

// Checks every *.safetensors file's header against its size, and every shard index (of safetensors
// and of .bin files) against the shards: all named files are there and, for safetensors, each holds
// exactly the tensors that the index says. A snapshot without any file of weights is refused too.
// kInvalidInput names the file and what is wrong. Reads headers only; blocks on the disk.
Status check_weights(const Snapshot& snapshot);

}  // namespace hubrev
