#include "plugin/safetensors/completeness.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "plugin/safetensors/weight_sets.h"

namespace hubrev {
namespace {

using Names = std::set<std::string, std::less<>>;
using NamesByFile = std::map<std::string, Names>;

constexpr std::array<std::string_view, 11> kWeightSuffixes = {
    ".safetensors", ".bin", ".pt",      ".pth",  ".gguf", ".ckpt",
    ".distcp",      ".h5",  ".msgpack", ".onnx", ".npz"};

// Their number follows.
constexpr std::string_view kFsdpFolder = "pytorch_model_fsdp_";  // accelerate's
constexpr std::string_view kDeepSpeedFolder = "global_step";
constexpr std::string_view kFsdpSuffix = ".distcp";

Error invalid(std::string message) {
  return make_error(ErrorKind::kInvalidInput, std::move(message));
}

bool is_weights(const Entry& entry) {
  const auto matches = [&](std::string_view suffix) { return entry.path.ends_with(suffix); };
  return std::any_of(kWeightSuffixes.begin(), kWeightSuffixes.end(), matches) &&
         !is_resume_state(entry.path);
}

Status check_has_weights(const Snapshot& snapshot) {
  if (std::any_of(snapshot.entries.begin(), snapshot.entries.end(), is_weights)) return {};
  return invalid(
      "the checkpoint holds no weights; have the trainer save them, and see 'ignore_patterns'");
}

Result<NamesByFile> read_names(const Snapshot& snapshot) {
  NamesByFile files;
  for (const Entry& entry : snapshot.entries) {
    if (!entry.path.ends_with(kSafetensorsSuffix)) continue;
    HUBREV_TRY(Header header, read_header_of(entry));
    Names& names = files[entry.path];
    for (Tensor& tensor : header.tensors) names.insert(std::move(tensor.name));
  }
  return files;
}

Error not_in_index(std::string_view tensor, const std::string& path,
                   const std::string& index_path) {
  return invalid("tensor " + quote_name(tensor) + " of " + path + " is not named by " + index_path);
}

Error not_in_shard(std::string_view tensor, const std::string& shard,
                   const std::string& index_path) {
  return invalid("incomplete: tensor " + quote_name(tensor) + " named by " + index_path +
                 " is missing from " + shard);
}

// Both ways: what a shard holds is in the index, and what the index says is in the shard.
Status check_tensors(const WeightSet& set, const NamesByFile& files) {
  const std::string index_path = set.stem + std::string(kSafetensorsIndexSuffix);
  const auto& weight_map = set.index->weight_map;
  std::map<std::string_view, const Names*> shards;  // by name in the folder
  for (const std::string& path : set.files) {
    const std::string_view name = std::string_view(path).substr(folder_prefix(path).size());
    const auto file = files.find(path);
    if (file == files.end()) {
      return invalid(path + ", a shard by its index, is no safetensors file");
    }
    for (const std::string& tensor : file->second) {
      const auto at = weight_map.find(tensor);
      if (at == weight_map.end() || at->second != name) {
        return not_in_index(tensor, path, index_path);
      }
    }
    shards.emplace(name, &file->second);
  }
  for (const auto& [tensor, name] : weight_map) {
    if (!shards.at(name)->contains(tensor)) {
      return not_in_shard(tensor, name, index_path);
    }
  }
  return {};
}

Status check_files(const Snapshot& snapshot) {
  HUBREV_TRY(const NamesByFile files, read_names(snapshot));
  HUBREV_TRY(const std::vector<WeightSet> sets, find_weight_sets(snapshot));
  for (const WeightSet& set : sets) {
    if (set.index) HUBREV_CHECK(check_tensors(set, files));
  }
  return {};
}

}  // namespace

std::optional<ShardedWeights> sharded_weights_only(const Snapshot& snapshot,
                                                   const std::vector<std::string>& excluded) {
  std::optional<ShardedWeights> found;
  for (const Entry& entry : snapshot.entries) {
    if (!is_weights(entry)) continue;
    std::string folder(folder_prefix(entry.path));
    const bool deepspeed = folder.starts_with(kDeepSpeedFolder);
    if (!deepspeed && !entry.path.ends_with(kFsdpSuffix)) return std::nullopt;
    found = {deepspeed ? ShardedBy::kDeepSpeed : ShardedBy::kFsdp, std::move(folder)};
  }
  for (const std::string& path : excluded) {
    if (!path.ends_with('/')) continue;
    if (path.starts_with(kFsdpFolder)) found = {ShardedBy::kFsdp, path};
    if (path.starts_with(kDeepSpeedFolder)) found = {ShardedBy::kDeepSpeed, path};
  }
  return found;
}

Status check_weights(const Snapshot& snapshot) {
  HUBREV_CHECK(check_has_weights(snapshot));
  Status files = check_files(snapshot);
  if (!files.ok() && files.error().kind == ErrorKind::kInvalidInput) {
    files.error().message += "; the checkpoint is incomplete or damaged, save it again";
  }
  return files;
}

}  // namespace hubrev
