#pragma once
// Which files of a snapshot make up one model.

#include <optional>
#include <string>
#include <vector>

#include "plugin/base/result.h"
#include "plugin/safetensors/header.h"
#include "plugin/safetensors/index.h"
#include "plugin/types/snapshot.h"

namespace hubrev {

// Safetensors files that are loaded together, through an index or by a name that loaders also look
// up as an index.
struct WeightSet {
  std::string stem;                 // with its folder: "unet/diffusion_pytorch_model"
  std::vector<std::string> files;   // paths of entries, sorted, at least one
  std::optional<ShardIndex> index;  // none: a single file
};

// Every set, those with an index first. kInvalidInput when an index is wrong, names a file that is
// not there, or shares one with another index.
Result<std::vector<WeightSet>> find_weight_sets(const Snapshot& snapshot);

// The entries that the index at `entry` names, sorted, each once. kInvalidInput when one is not
// there.
Result<std::vector<std::string>> shard_paths(const Snapshot& snapshot, const Entry& entry,
                                             const ShardIndex& index);

// read_header() whose error names the entry.
Result<Header> read_header_of(const Entry& entry);

}  // namespace hubrev
