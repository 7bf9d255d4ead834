#include "plugin/safetensors/virtual_shards.h"

#include <algorithm>
#include <cstdio>
#include <set>
#include <utility>

#include "plugin/safetensors/weight_sets.h"

namespace hubrev {
namespace {

struct Shard {
  Source source;
  std::vector<std::string> tensors;
};

// One set of weights on its way to its new shards.
struct Resharding {
  std::vector<Shard> shards;
  std::uint64_t total_size = 0;  // of all tensors, in bytes
  bool changed = false;          // whether a file was split
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

std::vector<std::string> names_of(const std::vector<Tensor>& tensors) {
  std::vector<std::string> names;
  names.reserve(tensors.size());
  for (const Tensor& tensor : tensors) names.push_back(tensor.name);
  return names;
}

// Cuts one file where the next tensor would take a shard above the limit. The data of a run of
// tensors is one range of the file, since read_header() found no holes.
std::vector<Shard> split(const Entry& entry, const Header& header, std::uint64_t limit,
                         std::vector<std::string>& warnings) {
  std::vector<Shard> shards;
  const std::vector<Tensor>& tensors = header.tensors;
  for (std::size_t next = 0; next < tensors.size();) {
    const Tensor& first = tensors[next];
    HeaderWriter writer(header.metadata);
    Shard shard;
    writer.add(first);
    do {
      shard.tensors.push_back(tensors[next++].name);
    } while (next < tensors.size() && writer.add(tensors[next], limit));
    if (writer.file_size() > limit) {
      warnings.push_back(entry.path + ": tensor " + quote_name(first.name) + " (" +
                         bytes(first.end - first.begin) + ") cannot be split; its shard of " +
                         bytes(writer.file_size()) + " stays above " + limit_text(limit));
    }
    const std::uint64_t length = tensors[next - 1].end - first.begin;
    shard.source =
        Source::concatenate({Source::from_bytes(writer.finish()),
                             entry.source.subrange(header.data_offset + first.begin, length)});
    shards.push_back(std::move(shard));
  }
  return shards;
}

Result<Resharding> reshard(const Snapshot& snapshot, const WeightSet& set, std::uint64_t limit,
                           std::vector<std::string>& warnings) {
  Resharding result;
  for (const std::string& path : set.files) {
    const Entry& entry = *find_entry(snapshot, path);
    HUBREV_TRY(const Header header, read_header_of(entry));
    if (!header.tensors.empty()) result.total_size += header.tensors.back().end;
    std::vector<Shard> shards;
    if (entry.source.size() > limit) shards = split(entry, header, limit, warnings);
    // A file that one shard could only copy stays as it is.
    const bool helps =
        shards.size() > 1 || (shards.size() == 1 && shards[0].source.size() <= limit);
    if (!helps) shards = {{entry.source, names_of(header.tensors)}};
    result.changed = result.changed || helps;
    std::move(shards.begin(), shards.end(), std::back_inserter(result.shards));
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
                                               Resharding resharding) {
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
    paths.push_back(shard_path(set.stem, i + 1, count));
    const std::string name = paths.back().substr(folder_of(paths.back()).size());
    for (std::string& tensor : shard.tensors) {
      const auto [at, added] = index.weight_map.emplace(std::move(tensor), name);
      if (added) continue;
      return make_error(ErrorKind::kInvalidInput,
                        "tensor " + quote_name(at->first) + " is in two files of " + index_path);
    }
    HUBREV_CHECK(add_new(snapshot, {paths.back(), std::move(shard.source)}));
  }
  HUBREV_CHECK(add_new(snapshot, {index_path, Source::from_bytes(write_index(index))}));
  paths.push_back(index_path);
  return paths;
}

Status shard_set(const WeightSet& set, std::uint64_t limit, ShardedSnapshot& out) {
  HUBREV_TRY(Resharding resharding, reshard(out.snapshot, set, limit, out.warnings));
  if (!resharding.changed) return {};
  const std::size_t count = resharding.shards.size();
  HUBREV_TRY(std::vector<std::string> paths,
             replace_files(out.snapshot, set, std::move(resharding)));
  FixReport report;
  report.name = "shards";
  report.outcome = FixOutcome::kApplied;
  report.detail = set.stem + std::string(kSafetensorsSuffix) + " is published as " +
                  std::to_string(count) + " shards, split at " + limit_text(limit);
  report.files = std::move(paths);
  out.reports.push_back(std::move(report));
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

}  // namespace

Result<ShardedSnapshot> apply_virtual_shards(Snapshot snapshot, std::uint64_t max_shard_size) {
  ShardedSnapshot out;
  out.snapshot = std::move(snapshot);
  const std::vector<std::string> large = files_above(out.snapshot, max_shard_size);
  if (!large.empty()) {
    std::set<std::string> unsplit(large.begin(), large.end());
    HUBREV_TRY(const std::vector<WeightSet> sets, find_weight_sets(out.snapshot));
    for (const WeightSet& set : sets) {
      const auto claimed = std::count_if(set.files.begin(), set.files.end(),
                                         [&](const auto& path) { return unsplit.erase(path) > 0; });
      if (claimed > 0) HUBREV_CHECK(shard_set(set, max_shard_size, out));
    }
    for (const std::string& path : unsplit) {
      out.warnings.push_back(path + " is above " + limit_text(max_shard_size) +
                             " and stays whole: only model weights are loaded through an index");
    }
  }
  if (out.reports.empty()) {
    const std::string detail =
        large.empty() ? "no safetensors file is above " : "nothing can be split that is above ";
    out.reports.push_back(
        {"shards", FixOutcome::kUnchanged, detail + limit_text(max_shard_size), {}});
  }
  return out;
}

}  // namespace hubrev
