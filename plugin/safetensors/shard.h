#pragma once
// One shard's bytes. For virtual_shards.cc only.

#include "plugin/safetensors/header.h"
#include "plugin/safetensors/published_weights.h"
#include "plugin/safetensors/shard_layout.h"
#include "plugin/types/snapshot.h"

namespace hubrev {

struct Shard {
  Source source;
  PlacedShard placed;  // but for its path, which depends on the number of shards
};

// A group of a file's tensors as a file of their own, under a header of ours.
Shard make_shard(const Entry& entry, const Header& header, const TensorGroup& group);

// The file itself.
Shard whole_file(const Entry& entry, const Header& header);

}  // namespace hubrev
