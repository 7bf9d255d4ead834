#pragma once
// What is remembered of the weights published last, so that the next revision's shards are cut
// where that saves sending. It steers the layout alone: objects are named by the SHA-256 of their
// bytes.

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "plugin/base/result.h"
#include "plugin/base/xxh3.h"
#include "plugin/types/commit_plan.h"

namespace hubrev {

struct PublishedTensor {
  std::string name;
  Xxh3 digest;             // of its data, as lfs/piece_hasher.h takes it
  bool unchanged = false;  // the same in the revision before; without one, frozen in training
};

// One safetensors file of the checkpoint.
struct PublishedFile {
  std::string compared_to;                           // the revision before, "" without one
  std::vector<std::vector<PublishedTensor>> shards;  // each in the order of its data
};

struct PublishedWeights {
  std::string job;       // id of the job that published them, "" before the first
  std::string revision;  // its name
  std::set<std::string, std::less<>> frozen;   // parameters that training said it leaves alone
  std::map<std::string, PublishedFile> files;  // by path in the checkpoint
};

std::string to_text(const PublishedWeights& weights);
// kCorrupt when the text is no such thing.
Result<PublishedWeights> published_weights_from_text(std::string_view text);

// Where tensors of a file went.
struct PlacedShard {
  std::string file;                   // path in the checkpoint
  std::string path;                   // in the revision
  std::vector<std::string> tensors;   // in the order of their data
  std::vector<std::uint64_t> pieces;  // bytes of the header, then of each tensor
};

// Asks for the digests that published() needs.
void want_digests(std::vector<LfsFile>& files, const std::vector<PlacedShard>& shards);

// What there is to remember of a job that has published `shards` as `objects`, and was laid out by
// `before`.
PublishedWeights published(const PublishedWeights& before, std::string job, std::string revision,
                           const std::vector<PlacedShard>& shards,
                           const std::vector<LfsObject>& objects);

}  // namespace hubrev
