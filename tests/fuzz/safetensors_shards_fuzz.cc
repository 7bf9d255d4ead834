// A folder of safetensors files and indexes: sections are files, those named "*.safetensors" hold
// the JSON of a header, whose data is made here. The section "limit" is max_shard_size, "weights"
// what is remembered of an earlier revision.

#include <algorithm>
#include <charconv>
#include <numeric>
#include <set>
#include <tuple>

#include "plugin/safetensors/completeness.h"
#include "plugin/safetensors/header.h"
#include "plugin/safetensors/header_json.h"
#include "plugin/safetensors/index.h"
#include "plugin/safetensors/virtual_shards.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/safetensors/checkpoint.h"

namespace hubrev::fuzz {
namespace {

std::string file_with_data(const std::string& json) {
  constexpr std::uint64_t kMostData = 1 << 14;
  std::uint64_t end = 0;
  if (const auto header = parse_header_json(json); header.ok()) {
    for (const Tensor& tensor : header->tensors) end = std::max(end, tensor.end);
  }
  std::string data;
  for (std::uint64_t i = 0; i < std::min(end, kMostData); ++i) {
    data += static_cast<char>((i * 7 + i / 251 + json.size()) & 0xff);
  }
  return testing::file_of(json, data);
}

Snapshot checkpoint_of(Sections sections) {
  for (auto& [name, bytes] : sections) {
    if (name.ends_with(kSafetensorsSuffix)) bytes = file_with_data(bytes);
  }
  return snapshot_of(sections);
}

std::uint64_t limit_of(const Sections& sections) {
  const std::string text = section(sections, "limit");
  std::uint64_t limit = 0;
  std::from_chars(text.data(), text.data() + text.size(), limit);
  return limit;
}

// Every tensor that can be read, with its folder and its bytes.
using Tensors = std::multiset<std::tuple<std::string, std::string, std::string>>;
Tensors tensors_of(const Snapshot& snapshot) {
  Tensors tensors;
  for (const Entry& entry : snapshot.entries) {
    if (!entry.path.ends_with(kSafetensorsSuffix)) continue;
    const auto header = read_header(entry.source);
    if (!header.ok()) continue;
    const std::string bytes = bytes_of(entry);
    for (const Tensor& tensor : header->tensors) {
      tensors.emplace(folder_prefix(entry.path), tensor.name,
                      bytes.substr(std::size_t{header->data_offset + tensor.begin},
                                   std::size_t{tensor.end - tensor.begin}));
    }
  }
  return tensors;
}

// Nothing changes but names and sizes.
void check_shards(const Snapshot& before, const ShardedSnapshot& after) {
  HUBREV_REQUIRE(tensors_of(before) == tensors_of(after.snapshot), "tensors differ");
  if (check_weights(before).ok()) {
    const Status still = check_weights(after.snapshot);
    HUBREV_REQUIRE(still.ok(), still.error().message);
  }
  for (const std::string& warning : after.warnings) require_shown(warning);
}

// A second time nothing changes at all.
void check_again(const ShardedSnapshot& sharded, std::uint64_t limit) {
  const auto again = apply_virtual_shards(sharded.snapshot, {limit});
  HUBREV_REQUIRE(again.ok(), again.error().message);
  HUBREV_REQUIRE(testing::contents_of(again->snapshot) == testing::contents_of(sharded.snapshot),
                 "sharding is not idempotent");
}

void check_pieces(const ShardedSnapshot& sharded) {
  for (const PlacedShard& shard : sharded.placed) {
    const Entry* entry = find_entry(sharded.snapshot, shard.path);
    HUBREV_REQUIRE(entry != nullptr, "a shard is not there");
    HUBREV_REQUIRE(shard.pieces.size() == shard.tensors.size() + 1, "not a piece per tensor");
    const auto total = std::accumulate(shard.pieces.begin(), shard.pieces.end(), std::uint64_t{0});
    HUBREV_REQUIRE(total == entry->source.size(), "the pieces are not the file");
  }
}

// Whatever an earlier revision is said to have been, the same tensors are published.
void check_memory(const Snapshot& snapshot, std::uint64_t limit, const std::string& text) {
  const auto before = published_weights_from_text(text);
  if (!before.ok()) return require_error(before.error(), ErrorKind::kCorrupt);
  HUBREV_REQUIRE(published_weights_from_text(to_text(*before)).ok(), "it is not read again");
  constexpr std::uint64_t kMinApart = 16;
  const auto sharded = apply_virtual_shards(snapshot, {limit, kMinApart, &*before});
  if (!sharded.ok()) return require_error(sharded.error(), ErrorKind::kInvalidInput);
  check_shards(snapshot, *sharded);
  check_pieces(*sharded);
}

}  // namespace

HUBREV_FUZZ(input) {
  const Sections sections = sections_of(input);
  const Snapshot snapshot = checkpoint_of(sections);
  const std::uint64_t limit = limit_of(sections);
  if (const Status complete = check_weights(snapshot); !complete.ok()) {
    require_error(complete.error(), ErrorKind::kInvalidInput);
  }
  const auto sharded = apply_virtual_shards(snapshot, {limit});
  if (sharded.ok()) {
    check_shards(snapshot, *sharded);
    check_again(*sharded, limit);
  } else {
    require_error(sharded.error(), ErrorKind::kInvalidInput);
  }
  check_memory(snapshot, limit, section(sections, "weights"));
}

}  // namespace hubrev::fuzz
