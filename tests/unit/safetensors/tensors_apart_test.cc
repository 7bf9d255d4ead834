// Revisions of one training, one after the other: what their shards share.

#include <gmock/gmock.h>

#include <numeric>
#include <optional>

#include "plugin/base/sha256.h"
#include "plugin/safetensors/completeness.h"
#include "tests/unit/safetensors/sharding.h"

namespace hubrev {
namespace {

using testing::contents_of;
using ::testing::ElementsAre;
using testing::Files;
using testing::make_file;
using testing::make_index;
using testing::make_snapshot;
using testing::tensors_of;

constexpr std::uint64_t kMinApart = 1000;

// A training whose revisions are laid out, hashed and remembered as a worker does it.
class Training {
 public:
  explicit Training(std::uint64_t limit) : limit_(limit) {}

  ShardedSnapshot publish(const Files& files) {
    const ShardRules rules{limit_, kMinApart, &memory_};
    auto sharded = apply_virtual_shards(make_snapshot(files), rules);
    EXPECT_TRUE(sharded.ok()) << sharded.error().message;
    if (!sharded.ok()) return {};
    EXPECT_EQ(tensors_of(contents_of(sharded->snapshot), "model"), tensors_of(files, "model"));
    const Status complete = check_weights(sharded->snapshot);
    EXPECT_TRUE(complete.ok()) << complete.error().message;
    remember(*sharded);
    return *std::move(sharded);
  }

  void freeze(std::set<std::string, std::less<>> names) { memory_.frozen = std::move(names); }

 private:
  void remember(const ShardedSnapshot& sharded) {
    const Files out = contents_of(sharded.snapshot);
    std::vector<LfsObject> objects;
    for (const PlacedShard& shard : sharded.placed) {
      const std::string& bytes = out.at(shard.path);
      EXPECT_EQ(std::accumulate(shard.pieces.begin(), shard.pieces.end(), std::uint64_t{0}),
                bytes.size());
      objects.push_back({shard.path, sha256(bytes), bytes.size(), {}});
      std::size_t at = 0;
      for (const std::uint64_t length : shard.pieces) {
        objects.back().pieces.push_back(xxh3(bytes.substr(at, length)));
        at += length;
      }
    }
    const std::string revision = std::to_string(++revision_);
    memory_ = published(memory_, revision, "step-" + revision, sharded.placed, objects);
  }

  const std::uint64_t limit_;
  PublishedWeights memory_;
  int revision_ = 0;
};

// make_file() of which the data of the tensors in `changed` is another.
std::string file_with(const std::vector<std::pair<std::string, std::size_t>>& tensors,
                      const std::set<std::string>& changed, char mark) {
  std::string file = make_file(tensors);
  const auto header = read_header(Source::from_bytes(file));
  for (const Tensor& tensor : header->tensors) {
    if (changed.contains(tensor.name)) file[header->data_offset + tensor.begin] = mark;
  }
  return file;
}

std::vector<std::string> shared_with(const ShardedSnapshot& before, const ShardedSnapshot& now) {
  std::set<std::string> known;
  for (const auto& [path, bytes] : contents_of(before.snapshot)) known.insert(bytes);
  std::vector<std::string> shared;
  for (const auto& [path, bytes] : contents_of(now.snapshot)) {
    if (path.ends_with(".safetensors") && known.contains(bytes)) shared.push_back(path);
  }
  return shared;
}

TEST(TensorsApart, AreShared) {
  const std::vector<std::pair<std::string, std::size_t>> tensors = {
      {"a", 700}, {"b", 0}, {"c", 50}, {"d", 700}};
  Training training(1 << 20);
  std::vector<ShardedSnapshot> revisions;
  for (char step = 1; step <= 4; ++step) {
    revisions.push_back(training.publish({{"model.safetensors", file_with(tensors, {"c"}, step)}}));
  }
  for (std::size_t whole = 0; whole < 2; ++whole) {
    EXPECT_EQ(revisions[whole].reports[0].outcome, FixOutcome::kUnchanged);
    EXPECT_NE(find_entry(revisions[whole].snapshot, "model.safetensors"), nullptr);
  }
  EXPECT_EQ(revisions[2].reports[0].detail,
            "model.safetensors is published as 2 shards, 3 tensors (1400 bytes) apart that have "
            "not changed since step-1");
  EXPECT_THAT(shared_with(revisions[1], revisions[2]), ElementsAre());
  EXPECT_THAT(shared_with(revisions[2], revisions[3]),
              ElementsAre("model-00001-of-00002.safetensors"));
  EXPECT_THAT(revisions[3].reports[0].files,
              ElementsAre("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                          "model.safetensors.index.json"));
}

TEST(TensorsApart, AreSharedFromTheStartWhereTrainingSaysSo) {
  const std::vector<std::pair<std::string, std::size_t>> tensors = {
      {"a", 700}, {"c", 50}, {"d", 700}};
  Training training(1 << 20);
  training.freeze({"a", "d"});
  const auto first = training.publish({{"model.safetensors", file_with(tensors, {"c"}, 1)}});
  const auto second = training.publish({{"model.safetensors", file_with(tensors, {"c"}, 2)}});
  EXPECT_EQ(first.reports[0].detail,
            "model.safetensors is published as 2 shards, 2 tensors (1400 bytes) apart that are "
            "frozen in training");
  EXPECT_THAT(shared_with(first, second), ElementsAre("model-00001-of-00002.safetensors"));
}

TEST(TensorsApart, StayInTheFilesOfAShardedCheckpoint) {
  const std::string one = "model-00001-of-00002.safetensors";
  const std::string two = "model-00002-of-00002.safetensors";
  const std::string index =
      make_index({{"a", one}, {"b", one}, {"c", two}, {"d", two}}, {{"total_parameters", 7}});
  const std::string still = make_file({{"a", 900}, {"b", 900}});
  Training training(1 << 20);
  std::vector<ShardedSnapshot> revisions;
  for (char step = 1; step <= 4; ++step) {
    revisions.push_back(training.publish({{one, still},
                                          {two, file_with({{"c", 1200}, {"d", 40}}, {"d"}, step)},
                                          {"model.safetensors.index.json", index}}));
  }
  EXPECT_EQ(revisions[1].reports[0].outcome, FixOutcome::kUnchanged);
  const Files third = contents_of(revisions[2].snapshot);
  EXPECT_EQ(third.size(), 4u);
  EXPECT_EQ(third.at("model-00001-of-00003.safetensors"), still) << "the file itself";
  EXPECT_EQ(nlohmann::json::parse(third.at("model.safetensors.index.json"))["metadata"],
            nlohmann::json({{"total_parameters", 7}, {"total_size", 3040}}));
  EXPECT_THAT(shared_with(revisions[2], revisions[3]),
              ElementsAre("model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors"));
}

TEST(TensorsApart, KeepToTheLimit) {
  std::vector<std::pair<std::string, std::size_t>> tensors;
  for (char name = 'a'; name <= 'h'; ++name) tensors.emplace_back(std::string(1, name), 400);
  Training training(1400);
  std::optional<ShardedSnapshot> before;
  std::vector<std::size_t> same;
  for (char step = 1; step <= 5; ++step) {
    auto now = training.publish({{"model.safetensors", file_with(tensors, {"b", "e", "h"}, step)}});
    for (const PlacedShard& shard : now.placed) {
      EXPECT_LE(find_entry(now.snapshot, shard.path)->source.size(), 1400u);
    }
    same.push_back(before ? shared_with(*before, now).size() : 0);
    before = std::move(now);
  }
  // "ab cd ef gh", then "cd af g be h".
  EXPECT_THAT(same, ElementsAre(0, 1, 1, 3, 3));
}

TEST(TensorsApart, MayChangeAgain) {
  const std::vector<std::pair<std::string, std::size_t>> tensors = {
      {"a", 1200}, {"b", 1200}, {"c", 50}};
  Training training(1 << 20);
  std::vector<ShardedSnapshot> revisions;
  for (char step = 1; step <= 8; ++step) {
    std::string file = file_with(tensors, {"c"}, step);
    if (step >= 5) file = file_with(tensors, {"a", "c"}, step);
    revisions.push_back(training.publish({{"model.safetensors", file}}));
  }
  EXPECT_EQ(shared_with(revisions[2], revisions[3]).size(), 1u);
  EXPECT_EQ(shared_with(revisions[3], revisions[4]).size(), 0u) << "a changed in its shard";
  EXPECT_EQ(shared_with(revisions[4], revisions[5]).size(), 0u) << "and has left it";
  EXPECT_EQ(shared_with(revisions[5], revisions[6]).size(), 1u) << "b is still apart";
  EXPECT_EQ(shared_with(revisions[6], revisions[7]).size(), 1u);
}

}  // namespace
}  // namespace hubrev
