#pragma once
// Which files of a snapshot make up one model.

#include <optional>
#include <string>
#include <string_view>
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

// Whether a trainer saves the file beside the weights to go on from, under their suffixes or not.
bool is_resume_state(std::string_view path);

// Every set, those with an index first; a single file that an index of .bin files names is none,
// since it is loaded through that. kInvalidInput when an index (of .bin files, too) is wrong, names
// a file that is not there, or one of safetensors files shares a file with another.
Result<std::vector<WeightSet>> find_weight_sets(const Snapshot& snapshot);

// The entries that the index at `entry` names, sorted, each once. kInvalidInput when one is not
// there.
Result<std::vector<std::string>> shard_paths(const Snapshot& snapshot, const Entry& entry,
                                             const ShardIndex& index);

// read_header() whose error names the entry.
Result<Header> read_header_of(const Entry& entry);

}  // namespace hubrev
