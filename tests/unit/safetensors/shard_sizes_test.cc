#include "plugin/safetensors/virtual_shards.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>

#include "plugin/safetensors/completeness.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/safetensors/sharding.h"

namespace hubrev {
namespace {

using testing::contents_of;
using ::testing::ElementsAre;
using testing::Files;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::joined_data;
using ::testing::Key;
using testing::make_file;
using testing::shard;
using testing::tensors_of;

// Random files and limits: nothing is lost, moved or repeated, and sizes hold.
TEST(ShardSizes, KeepsEveryByteAtEveryLimit) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::pair<std::string, std::size_t>> tensors;
    const auto count = 1 + random() % 40;
    std::size_t largest = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t size = random() % 4 == 0 ? 0 : random() % 900;
      largest = std::max(largest, size);
      tensors.emplace_back("layer." + std::to_string(random() % 1000) + "." + std::to_string(i),
                           size);
    }
    const Files files = {{"model.safetensors", make_file(tensors)}};
    const std::uint64_t limit = 1024 + random() % 8000;
    const ShardedSnapshot sharded = shard(files, limit);
    const Files out = contents_of(sharded.snapshot);
    EXPECT_EQ(joined_data(out), joined_data(files));
    EXPECT_EQ(tensors_of(out, "model"), tensors_of(files, "model"));
    const Status complete = check_weights(sharded.snapshot);
    EXPECT_TRUE(complete.ok()) << complete.error().message;
    if (largest > 800) continue;  // with its header such a tensor may be above the limit
    EXPECT_THAT(sharded.warnings, IsEmpty());
    for (const auto& [path, bytes] : out) {
      if (!path.ends_with(".safetensors")) continue;
      EXPECT_LE(bytes.size(), limit) << path;
    }
  }
}

TEST(ShardSizes, FillsShardsToTheLastByte) {
  // Both tensors in one shard need exactly this much; the third goes to the next.
  const std::vector<Tensor> pair = {{"a", "U8", {300}, 0, 300}, {"b", "U8", {300}, 300, 600}};
  const std::uint64_t exact = write_header(pair, {{"format", "pt"}}).size() + 600;
  const Files files = {{"model.safetensors", make_file({{"a", 300}, {"b", 300}, {"c", 300}})}};
  const Files fits = contents_of(shard(files, exact).snapshot);
  EXPECT_EQ(fits.at("model-00001-of-00002.safetensors").size(), exact);
  EXPECT_EQ(contents_of(shard(files, exact - 1).snapshot).count("model-00003-of-00003.safetensors"),
            1u);
}

TEST(ShardSizes, ReadsRangesOfTheFrozenFile) {
  const testing::TempDir dir;
  const std::string file = make_file({{"a", 3000}, {"b", 0}, {"c", 3000}, {"d", 1000}});
  const std::string path = dir.write("model.safetensors", file);
  Snapshot snapshot;
  snapshot.root = dir.path().string();
  snapshot.frozen = {{"model.safetensors", FreezeMethod::kHardLink, {1, file.size(), 2}}};
  put_entry(snapshot, {"model.safetensors", Source::from_file(path, file.size())});
  const auto sharded = apply_virtual_shards(snapshot, {4096});
  ASSERT_TRUE(sharded.ok()) << sharded.error().message;
  const Files out = contents_of(sharded->snapshot);
  EXPECT_EQ(out.size(), 4u);
  EXPECT_EQ(joined_data(out), file.substr(file.size() - 7000));
  EXPECT_EQ(sharded->snapshot.frozen.size(), 1u);
  EXPECT_EQ(testing::TempDir::read(path), file);
}

TEST(ShardSizes, CountsBeyondFourGigabytes) {
  const testing::TempDir dir;
  constexpr std::uint64_t kSize = 5'000'000'000;
  const std::string header =
      testing::file_of(R"({"a":{"dtype":"U8","shape":[5000000000],"data_offsets":[0,5000000000]},)"
                       R"("b":{"dtype":"U8","shape":[4],"data_offsets":[5000000000,5000000004]}})");
  const std::string path = dir.write("model.safetensors", header);
  std::filesystem::resize_file(path, header.size() + kSize);  // a hole: takes no space
  std::ofstream(path, std::ios::binary | std::ios::app) << "tail";
  Snapshot snapshot;
  put_entry(snapshot, {"model.safetensors", Source::from_file(path, header.size() + kSize + 4)});
  const auto sharded = apply_virtual_shards(snapshot, {header.size() + kSize});
  ASSERT_TRUE(sharded.ok()) << sharded.error().message;
  EXPECT_THAT(sharded->warnings, IsEmpty());
  const Entry* first = find_entry(sharded->snapshot, "model-00001-of-00002.safetensors");
  const Entry* second = find_entry(sharded->snapshot, "model-00002-of-00002.safetensors");
  ASSERT_TRUE(first != nullptr && second != nullptr);
  EXPECT_GT(first->source.size(), kSize);
  const auto bytes = second->source.read_all(1000);
  ASSERT_TRUE(bytes.ok()) << bytes.error().message;
  EXPECT_TRUE(bytes->ends_with("tail"));
  EXPECT_TRUE(check_weights(sharded->snapshot).ok());
}

TEST(ShardSizes, LeavesOneTensorAboveTheLimitWhole) {
  const Files files = {{"model.safetensors", make_file({{"a", 10}, {"big", 5000}, {"c", 10}})}};
  const ShardedSnapshot sharded = shard(files, 1024);
  const Files out = contents_of(sharded.snapshot);
  EXPECT_EQ(out.size(), 4u);
  EXPECT_THAT(tensors_of(out, "model-00002-of-00003"), ElementsAre(Key("big")));
  ASSERT_EQ(sharded.warnings.size(), 1u);
  EXPECT_THAT(sharded.warnings[0],
              HasSubstr("model.safetensors: tensor \"big\" (5000 bytes) cannot be split"));

  const Files alone = {{"model.safetensors", make_file({{"big", 5000}})}};
  const ShardedSnapshot unchanged = shard(alone, 1024);
  EXPECT_EQ(contents_of(unchanged.snapshot), alone);
  EXPECT_EQ(unchanged.reports.at(0).outcome, FixOutcome::kUnchanged);
  EXPECT_EQ(unchanged.warnings.size(), 1u);
}

TEST(ShardSizes, GivesEachTensorAShardWhenTheLimitIsBelowTheHeader) {
  const Files files = {{"model.safetensors", make_file({{"a", 1}, {"b", 0}, {"c", 1}})}};
  const ShardedSnapshot sharded = shard(files, 10);
  const Files out = contents_of(sharded.snapshot);
  EXPECT_EQ(out.size(), 4u);
  EXPECT_EQ(tensors_of(out, "model"), tensors_of(files, "model"));
  EXPECT_EQ(sharded.warnings.size(), 3u);
}

TEST(ShardSizes, ShrinksAPaddedHeader) {
  const std::string padded = R"({"__metadata__":{"format":"pt"},"a":{"dtype":"U8","shape":[4],)"
                             R"("data_offsets":[0,4]}})" +
                             std::string(5000, ' ');
  const Files files = {{"model.safetensors", testing::file_of(padded, "1234")}};
  const Files out = contents_of(shard(files, 1024).snapshot);
  EXPECT_THAT(out, ElementsAre(Key("model-00001-of-00001.safetensors"),
                               Key("model.safetensors.index.json")));
  EXPECT_EQ(tensors_of(out, "model"), tensors_of(files, "model"));
}

TEST(ShardSizes, IsDeterministic) {
  const Files files = {{"model.safetensors", make_file({{"b", 700}, {"a", 700}, {"c", 0}})}};
  EXPECT_EQ(contents_of(shard(files, 1024).snapshot), contents_of(shard(files, 1024).snapshot));
  // What came out is small enough, so a second pass changes nothing.
  const Files once = contents_of(shard(files, 1024).snapshot);
  EXPECT_EQ(contents_of(shard(once, 1024).snapshot), once);
}

}  // namespace
}  // namespace hubrev
