#include "plugin/safetensors/weight_sets.h"

#include <array>
#include <set>
#include <string_view>
#include <utility>

#include "plugin/base/utf8.h"

namespace hubrev {
namespace {

constexpr std::string_view kBinIndexSuffix = ".bin.index.json";
constexpr std::size_t kLongestPath = 400;  // bytes of a path from an index in a message

// Single files for which a loader also tries "<name>.index.json": transformers and diffusers.
constexpr std::array<std::string_view, 2> kSingleFiles = {"model.safetensors",
                                                          "diffusion_pytorch_model.safetensors"};

// What a trainer saves beside the weights under the same suffixes: files and folders by prefix.
constexpr std::array<std::string_view, 7> kResumeState = {
    "optimizer", "scheduler", "scaler", "sampler", "dl_state_dict", "rng_state", "training_args"};

bool is_single_file(std::string_view path) {
  const std::string_view name = path.substr(folder_prefix(path).size());
  return name == kSingleFiles[0] || name == kSingleFiles[1];
}

Result<WeightSet> indexed_set(const Snapshot& snapshot, const Entry& entry) {
  HUBREV_TRY(ShardIndex index, read_index(entry));
  WeightSet set;
  set.stem = entry.path.substr(0, entry.path.size() - kSafetensorsIndexSuffix.size());
  HUBREV_TRY(set.files, shard_paths(snapshot, entry, index));
  set.index = std::move(index);
  return set;
}

// What the indexes of .bin files name: as a rule no safetensors file.
Result<std::set<std::string>> named_by_bin_indexes(const Snapshot& snapshot) {
  std::set<std::string> named;
  for (const Entry& entry : snapshot.entries) {
    if (!entry.path.ends_with(kBinIndexSuffix)) continue;
    HUBREV_TRY(const ShardIndex index, read_index(entry));
    HUBREV_TRY(const std::vector<std::string> paths, shard_paths(snapshot, entry, index));
    named.insert(paths.begin(), paths.end());
  }
  return named;
}

}  // namespace

bool is_resume_state(std::string_view path) {
  while (true) {
    for (const std::string_view prefix : kResumeState) {
      if (path.starts_with(prefix)) return true;
    }
    const std::size_t slash = path.find('/');
    if (slash == std::string_view::npos) return false;
    path.remove_prefix(slash + 1);
  }
}

Result<std::vector<WeightSet>> find_weight_sets(const Snapshot& snapshot) {
  std::vector<WeightSet> sets;
  HUBREV_TRY(std::set<std::string> taken, named_by_bin_indexes(snapshot));
  for (const Entry& entry : snapshot.entries) {
    if (!entry.path.ends_with(kSafetensorsIndexSuffix)) continue;
    HUBREV_TRY(WeightSet set, indexed_set(snapshot, entry));
    for (const std::string& file : set.files) {
      if (taken.insert(file).second) continue;
      return make_error(ErrorKind::kInvalidInput,
                        file + " is named by two indexes; remove the one that is out of date");
    }
    if (!set.files.empty()) sets.push_back(std::move(set));
  }
  for (const Entry& entry : snapshot.entries) {
    if (!is_single_file(entry.path) || taken.contains(entry.path)) continue;
    const std::size_t stem = entry.path.size() - kSafetensorsSuffix.size();
    sets.push_back({entry.path.substr(0, stem), {entry.path}, std::nullopt});
  }
  return sets;
}

Result<std::vector<std::string>> shard_paths(const Snapshot& snapshot, const Entry& entry,
                                             const ShardIndex& index) {
  std::set<std::string_view> names;
  for (const auto& [tensor, file] : index.weight_map) names.insert(file);
  std::vector<std::string> paths;
  for (const std::string_view name : names) {
    std::string path = folder_prefix(entry.path).append(name);
    if (find_entry(snapshot, path) == nullptr) {
      return make_error(ErrorKind::kInvalidInput, "incomplete: shard " +
                                                      shown_text(path, kLongestPath) +
                                                      " named by " + entry.path +
                                                      " is missing, or left out by "
                                                      "'ignore_patterns'");
    }
    paths.push_back(std::move(path));
  }
  return paths;
}

Result<Header> read_header_of(const Entry& entry) {
  auto header = read_header(entry.source);
  if (!header.ok()) return with_context(std::move(header).error(), entry.path);
  return header;
}

}  // namespace hubrev
