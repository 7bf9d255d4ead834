#pragma once
// "<stem>.safetensors.index.json" (and the same for .bin): which tensor is in which shard. Source:
// save_pretrained() and get_checkpoint_shard_files() of transformers 5.

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "plugin/base/result.h"
#include "plugin/types/snapshot.h"

namespace hubrev {

inline constexpr std::string_view kSafetensorsSuffix = ".safetensors";
inline constexpr std::string_view kSafetensorsIndexSuffix = ".safetensors.index.json";

struct ShardIndex {
  nlohmann::json metadata = nlohmann::json::object();  // total_size, total_parameters, ...
  std::map<std::string, std::string> weight_map;       // tensor -> file name, in the index's folder
};

// kInvalidInput, naming the entry, when it is no index or names a file by more than a plain name.
Result<ShardIndex> read_index(const Entry& entry);

// Byte for byte what transformers writes: Python's json.dumps(indent=2, sort_keys=True) and a line
// feed. `metadata` is written as given; transformers fails on an index that has none.
std::string write_index(const ShardIndex& index);

// "a/b/" of "a/b/c", "" of "c".
std::string folder_prefix(std::string_view path);

}  // namespace hubrev
