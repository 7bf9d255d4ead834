#include "plugin/safetensors/virtual_shards.h"

#include <algorithm>
#include <cstdio>
#include <set>
#include <utility>

#include "plugin/safetensors/shard.h"
#include "plugin/safetensors/weight_sets.h"

namespace hubrev {
namespace {

// One set of weights on its way to its new shards.
struct Resharding {
  std::vector<Shard> shards;
  std::uint64_t total_size = 0;  // of all tensors, in bytes
  bool changed = false;          // whether a file was split
  bool above_limit = false;      // whether a file was too large
  std::size_t tensors_apart = 0;
  std::uint64_t bytes_apart = 0;
  std::string compared_to;  // the revision that the tensors apart are as in; "" if frozen
};

std::string bytes(std::uint64_t count) {
  return std::to_string(count) + " bytes";
}

std::string limit_text(std::uint64_t limit) {
  return "max_shard_size (" + bytes(limit) + ")";
}

std::string shard_path(const std::string& stem, std::size_t number, std::size_t count) {
  char suffix[64];
  std::snprintf(suffix, sizeof suffix, "-%05zu-of-%05zu", number, count);
  return stem + suffix + std::string(kSafetensorsSuffix);
}

// All tensors in the order of their data.
bool is_whole(const TensorGroup& group, const Header& header) {
  if (group.size() != header.tensors.size()) return false;
  return std::is_sorted(group.begin(), group.end());
}

void warn_of_size(const Shard& shard, std::uint64_t limit, std::vector<std::string>& warnings) {
  if (shard.source.size() <= limit) return;
  warnings.push_back(shard.placed.file + ": tensor " + quote_name(shard.placed.tensors[0]) + " (" +
                     bytes(shard.placed.pieces[1]) + ") cannot be split; its shard of " +
                     bytes(shard.source.size()) + " stays above " + limit_text(limit));
}

Status reshard_file(const Entry& entry, const ShardRules& rules, Resharding& result,
                    std::vector<std::string>& warnings) {
  HUBREV_TRY(const Header header, read_header_of(entry));
  if (!header.tensors.empty()) result.total_size += header.tensors.back().end;
  const ShardLayout layout = lay_out(entry.path, entry.source.size(), header, rules);
  const bool above_limit = entry.source.size() > rules.max_shard_size;
  const bool is_file =
      layout.shards.empty() || (layout.shards.size() == 1 && is_whole(layout.shards[0], header));
  std::vector<Shard> shards;
  if (above_limit || !is_file) {
    for (const TensorGroup& group : layout.shards) {
      shards.push_back(make_shard(entry, header, group));
      warn_of_size(shards.back(), rules.max_shard_size, warnings);
    }
  }
  // A file that one shard could only copy stays as it is.
  const bool helps =
      shards.size() > 1 || (shards.size() == 1 && shards[0].source.size() <= rules.max_shard_size);
  if (!helps) {
    shards.clear();
    shards.push_back(whole_file(entry, header));
  } else {
    result.changed = true;
    result.above_limit = result.above_limit || above_limit;
    result.tensors_apart += layout.tensors_apart;
    result.bytes_apart += layout.bytes_apart;
    if (layout.tensors_apart > 0) result.compared_to = layout.compared_to;
  }
  std::move(shards.begin(), shards.end(), std::back_inserter(result.shards));
  return {};
}

Result<Resharding> reshard(const Snapshot& snapshot, const WeightSet& set, const ShardRules& rules,
                           std::vector<std::string>& warnings) {
  Resharding result;
  for (const std::string& path : set.files) {
    HUBREV_CHECK(reshard_file(*find_entry(snapshot, path), rules, result, warnings));
  }
  return result;
}

Status add_new(Snapshot& snapshot, Entry entry) {
  if (find_entry(snapshot, entry.path) != nullptr) {
    return make_error(ErrorKind::kInvalidInput, "the checkpoint already has a file " + entry.path +
                                                    ", a name that a new shard or index needs; "
                                                    "remove it from the checkpoint");
  }
  put_entry(snapshot, std::move(entry));
  return {};
}

// Puts the shards and their index in the place of the set's files. Returns the new paths.
Result<std::vector<std::string>> replace_files(Snapshot& snapshot, const WeightSet& set,
                                               Resharding& resharding) {
  const std::string index_path = set.stem + std::string(kSafetensorsIndexSuffix);
  for (const std::string& path : set.files) remove_entry(snapshot, path);
  if (set.index) remove_entry(snapshot, index_path);

  std::vector<std::string> paths;
  ShardIndex index;
  // total_parameters is kept where it was known. It counts parameters of the live model, which a
  // file does not tell (buffers, packed quantized weights); no loader reads it.
  if (set.index) index.metadata = set.index->metadata;
  index.metadata["total_size"] = resharding.total_size;
  const std::size_t count = resharding.shards.size();
  for (std::size_t i = 0; i < count; ++i) {
    Shard& shard = resharding.shards[i];
    shard.placed.path = shard_path(set.stem, i + 1, count);
    paths.push_back(shard.placed.path);
    const std::string name = paths.back().substr(folder_prefix(paths.back()).size());
    for (const std::string& tensor : shard.placed.tensors) {
      if (index.weight_map.emplace(tensor, name).second) continue;
      return make_error(ErrorKind::kInvalidInput,
                        "tensor " + quote_name(tensor) + " is in two files of " + index_path);
    }
    HUBREV_CHECK(add_new(snapshot, {paths.back(), std::move(shard.source)}));
  }
  HUBREV_CHECK(add_new(snapshot, {index_path, Source::from_bytes(write_index(index))}));
  paths.push_back(index_path);
  return paths;
}

FixReport report_of(const WeightSet& set, const Resharding& resharding, std::uint64_t limit,
                    std::vector<std::string> paths) {
  FixReport report;
  report.name = "shards";
  report.outcome = FixOutcome::kApplied;
  report.detail = set.stem + std::string(kSafetensorsSuffix) + " is published as " +
                  std::to_string(resharding.shards.size()) + " shards";
  if (resharding.above_limit) report.detail += ", split at " + limit_text(limit);
  if (resharding.tensors_apart > 0) {
    report.detail +=
        ", " + std::to_string(resharding.tensors_apart) + " tensors (" +
        bytes(resharding.bytes_apart) + ") apart that " +
        (resharding.compared_to.empty() ? "are frozen in training"
                                        : "have not changed since " + resharding.compared_to);
  }
  report.files = std::move(paths);
  return report;
}

Status shard_set(const WeightSet& set, const ShardRules& rules, ShardedSnapshot& out) {
  HUBREV_TRY(Resharding resharding, reshard(out.snapshot, set, rules, out.warnings));
  if (resharding.changed) {
    HUBREV_TRY(std::vector<std::string> paths, replace_files(out.snapshot, set, resharding));
    out.reports.push_back(report_of(set, resharding, rules.max_shard_size, std::move(paths)));
  }
  for (Shard& shard : resharding.shards) {
    if (!resharding.changed) shard.placed.path = shard.placed.file;
    if (rules.before != nullptr) out.placed.push_back(std::move(shard.placed));
  }
  return {};
}

std::vector<std::string> files_above(const Snapshot& snapshot, std::uint64_t limit) {
  std::vector<std::string> paths;
  for (const Entry& entry : snapshot.entries) {
    if (entry.path.ends_with(kSafetensorsSuffix) && entry.source.size() > limit) {
      paths.push_back(entry.path);
    }
  }
  return paths;
}

// The sets with a file that is too large, or large enough for parts of it to be kept apart. Not
// resume state: who goes on from it looks for the names that it was saved under.
Result<std::vector<WeightSet>> sets_to_look_at(const Snapshot& snapshot, const ShardRules& rules) {
  std::uint64_t limit = rules.max_shard_size;
  if (rules.before != nullptr) limit = std::min(limit, rules.min_apart);
  const std::vector<std::string> large = files_above(snapshot, limit);
  if (large.empty()) return std::vector<WeightSet>();
  HUBREV_TRY(std::vector<WeightSet> sets, find_weight_sets(snapshot));
  std::erase_if(sets, [&](const WeightSet& set) {
    return is_resume_state(set.stem) ||
           std::none_of(set.files.begin(), set.files.end(), [&](const std::string& path) {
             return std::binary_search(large.begin(), large.end(), path);
           });
  });
  return sets;
}

}  // namespace

bool may_keep_apart(const Entry& entry) {
  return entry.path.ends_with(kSafetensorsSuffix) && entry.source.size() >= kMinBytesApart;
}

Result<ShardedSnapshot> apply_virtual_shards(Snapshot snapshot, const ShardRules& rules) {
  ShardedSnapshot out;
  out.snapshot = std::move(snapshot);
  const std::vector<std::string> large = files_above(out.snapshot, rules.max_shard_size);
  std::set<std::string> unsplit(large.begin(), large.end());
  HUBREV_TRY(const std::vector<WeightSet> sets, sets_to_look_at(out.snapshot, rules));
  for (const WeightSet& set : sets) {
    HUBREV_CHECK(shard_set(set, rules, out));
    for (const std::string& path : set.files) unsplit.erase(path);
  }
  for (const std::string& path : unsplit) {
    out.warnings.push_back(path + " is above " + limit_text(rules.max_shard_size) +
                           " and stays whole: only model weights are loaded through an index");
  }
  if (out.reports.empty()) {
    const std::string detail =
        large.empty() ? "no safetensors file is above " : "nothing can be split that is above ";
    out.reports.push_back(
        {"shards", FixOutcome::kUnchanged, detail + limit_text(rules.max_shard_size), {}});
  }
  return out;
}

}  // namespace hubrev
