#pragma once
// Which tensors of a safetensors file share a shard.

#include <cstdint>
#include <string>
#include <vector>

#include "plugin/safetensors/header.h"
#include "plugin/safetensors/published_weights.h"

namespace hubrev {

struct ShardRules {
  std::uint64_t max_shard_size = 0;  // bytes of a whole file
  // Unchanged tensors get shards of their own from so many bytes on. A file smaller than that is
  // never split for them.
  std::uint64_t min_apart = 0;
  const PublishedWeights* before = nullptr;  // none: unchanged tensors are not looked for
};

using TensorGroup = std::vector<std::size_t>;  // indices into Header::tensors, none empty

struct ShardLayout {
  std::vector<TensorGroup> shards;  // every tensor once
  std::size_t tensors_apart = 0;    // that are kept apart as unchanged
  std::uint64_t bytes_apart = 0;
  std::string compared_to;  // the revision that these are as in; "" where training froze them
};

// A pure function; `path` and `file_size` are the file's. The shards hold, in this order:
//  - those published before that hold unchanged tensors alone, exactly as they were, since the
//    server has them;
//  - other unchanged tensors, if there are min_apart bytes of them: sent once more, then no more;
//  - the rest.
// The latter two in the order of their data, cut into as few shards as max_shard_size allows, of
// about the same size. A file below that of which nothing is to be kept apart is one shard.
ShardLayout lay_out(const std::string& path, std::uint64_t file_size, const Header& header,
                    const ShardRules& rules);

}  // namespace hubrev
