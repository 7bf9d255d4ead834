#include "plugin/safetensors/virtual_shards.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>

#include "plugin/safetensors/completeness.h"
#include "plugin/safetensors/header.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/safetensors/checkpoint.h"

namespace hubrev {
namespace {

using nlohmann::json;
using testing::contents_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using testing::make_file;
using testing::make_index;
using testing::make_snapshot;

using Files = std::map<std::string, std::string>;

ShardedSnapshot shard(const Files& files, std::uint64_t limit) {
  auto sharded = apply_virtual_shards(make_snapshot(files), limit);
  EXPECT_TRUE(sharded.ok()) << sharded.error().message;
  return sharded.ok() ? std::move(sharded).value() : ShardedSnapshot{};
}

std::string error_of(const Files& files, std::uint64_t limit) {
  const auto sharded = apply_virtual_shards(make_snapshot(files), limit);
  if (sharded.ok()) return "no error";
  EXPECT_EQ(sharded.error().kind, ErrorKind::kInvalidInput);
  return sharded.error().message;
}

// Name -> dtype, shape and bytes of every tensor in files like `<stem>*.safetensors`; a name that
// is there twice gets a value that equals nothing.
Files tensors_of(const Files& files, const std::string& stem) {
  Files tensors;
  for (const auto& [path, bytes] : files) {
    if (!path.starts_with(stem) || !path.ends_with(".safetensors")) continue;
    const auto header = read_header(Source::from_bytes(bytes));
    EXPECT_TRUE(header.ok()) << path << ": " << header.error().message;
    if (!header.ok()) continue;
    EXPECT_EQ(header->metadata.at("format"), "pt");
    for (const Tensor& tensor : header->tensors) {
      const std::string value =
          tensor.dtype + json(tensor.shape).dump() +
          bytes.substr(header->data_offset + tensor.begin, tensor.end - tensor.begin);
      if (!tensors.emplace(tensor.name, value).second) tensors[tensor.name] = "twice in " + path;
    }
  }
  return tensors;
}

// The data of the shards, in the order of their names, one after the other.
std::string joined_data(const Files& files) {
  std::string data;
  for (const auto& [path, bytes] : files) {
    if (!path.ends_with(".safetensors")) continue;
    const auto header = read_header(Source::from_bytes(bytes));
    EXPECT_TRUE(header.ok()) << path << ": " << header.error().message;
    if (header.ok()) data += bytes.substr(header->data_offset);
  }
  return data;
}

TEST(VirtualShards, SplitsAFileAndWritesAnIndex) {
  const Files files = {{"config.json", "{}"},
                       {"model.safetensors", make_file({{"a", 300}, {"b", 300}, {"c", 300}})}};
  const ShardedSnapshot sharded = shard(files, 1024);
  const Files out = contents_of(sharded.snapshot);
  EXPECT_THAT(out, ElementsAre(Key("config.json"), Key("model-00001-of-00002.safetensors"),
                               Key("model-00002-of-00002.safetensors"),
                               Key("model.safetensors.index.json")));
  EXPECT_EQ(out.at("model.safetensors.index.json"),
            "{\n"
            "  \"metadata\": {\n"
            "    \"total_size\": 900\n"
            "  },\n"
            "  \"weight_map\": {\n"
            "    \"a\": \"model-00001-of-00002.safetensors\",\n"
            "    \"b\": \"model-00001-of-00002.safetensors\",\n"
            "    \"c\": \"model-00002-of-00002.safetensors\"\n"
            "  }\n"
            "}\n");
  EXPECT_EQ(joined_data(out), joined_data(files));
  EXPECT_EQ(tensors_of(out, "model"), tensors_of(files, "model"));
  ASSERT_EQ(sharded.reports.size(), 1u);
  EXPECT_EQ(sharded.reports[0].name, "shards");
  EXPECT_EQ(sharded.reports[0].outcome, FixOutcome::kApplied);
  EXPECT_EQ(sharded.reports[0].detail,
            "model.safetensors is published as 2 shards, split at max_shard_size (1024 bytes)");
  EXPECT_THAT(sharded.reports[0].files,
              ElementsAre("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                          "model.safetensors.index.json"));
  EXPECT_THAT(sharded.warnings, IsEmpty());
}

TEST(VirtualShards, LeavesSmallWeightsAlone) {
  const std::string file = make_file({{"a", 300}, {"b", 300}});
  const Files files = {{"model.safetensors", file}, {"README.md", std::string(5000, 'x')}};
  const ShardedSnapshot sharded = shard(files, file.size());
  EXPECT_EQ(contents_of(sharded.snapshot), files);
  ASSERT_EQ(sharded.reports.size(), 1u);
  EXPECT_EQ(sharded.reports[0].name, "shards");
  EXPECT_EQ(sharded.reports[0].outcome, FixOutcome::kUnchanged);
  EXPECT_THAT(sharded.reports[0].files, IsEmpty());
  EXPECT_THAT(sharded.warnings, IsEmpty());
  EXPECT_EQ(shard(files, file.size() - 1).reports[0].outcome, FixOutcome::kApplied);
}

// Random files and limits: nothing is lost, moved or repeated, and sizes hold.
TEST(VirtualShards, KeepsEveryByteAtEveryLimit) {
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

TEST(VirtualShards, FillsShardsToTheLastByte) {
  // Both tensors in one shard need exactly this much; the third goes to the next.
  const std::vector<Tensor> pair = {{"a", "U8", {300}, 0, 300}, {"b", "U8", {300}, 300, 600}};
  const std::uint64_t exact = write_header(pair, {{"format", "pt"}}).size() + 600;
  const Files files = {{"model.safetensors", make_file({{"a", 300}, {"b", 300}, {"c", 300}})}};
  const Files fits = contents_of(shard(files, exact).snapshot);
  EXPECT_EQ(fits.at("model-00001-of-00002.safetensors").size(), exact);
  EXPECT_EQ(contents_of(shard(files, exact - 1).snapshot).count("model-00003-of-00003.safetensors"),
            1u);
}

TEST(VirtualShards, ReadsRangesOfTheFrozenFile) {
  const testing::TempDir dir;
  const std::string file = make_file({{"a", 3000}, {"b", 0}, {"c", 3000}, {"d", 1000}});
  const std::string path = dir.write("model.safetensors", file);
  Snapshot snapshot;
  snapshot.root = dir.path().string();
  snapshot.frozen = {{"model.safetensors", FreezeMethod::kHardLink, {1, file.size(), 2}}};
  put_entry(snapshot, {"model.safetensors", Source::from_file(path, file.size())});
  const auto sharded = apply_virtual_shards(snapshot, 4096);
  ASSERT_TRUE(sharded.ok()) << sharded.error().message;
  const Files out = contents_of(sharded->snapshot);
  EXPECT_EQ(out.size(), 4u);
  EXPECT_EQ(joined_data(out), file.substr(file.size() - 7000));
  EXPECT_EQ(sharded->snapshot.frozen.size(), 1u);
  EXPECT_EQ(testing::TempDir::read(path), file);
}

TEST(VirtualShards, CountsBeyondFourGigabytes) {
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
  const auto sharded = apply_virtual_shards(snapshot, header.size() + kSize);
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

TEST(VirtualShards, RenumbersAShardedCheckpoint) {
  const std::string first = "model-00001-of-00002.safetensors";
  const std::string second = "model-00002-of-00002.safetensors";
  const std::string small = make_file({{"z", 500}}, 3);
  const json metadata = {{"total_parameters", 12345}, {"total_size", 1}, {"note", "caf\xc3\xa9"}};
  const Files files = {
      {first, make_file({{"a", 500}, {"b", 500}, {"c", 500}})},
      {second, small},
      {"model.safetensors.index.json",
       make_index({{"a", first}, {"b", first}, {"c", first}, {"z", second}}, metadata)}};
  const ShardedSnapshot sharded = shard(files, 1024);
  const Files out = contents_of(sharded.snapshot);
  EXPECT_THAT(
      out,
      ElementsAre(Key("model-00001-of-00004.safetensors"), Key("model-00002-of-00004.safetensors"),
                  Key("model-00003-of-00004.safetensors"), Key("model-00004-of-00004.safetensors"),
                  Key("model.safetensors.index.json")));
  EXPECT_EQ(out.at("model-00004-of-00004.safetensors"), small);
  EXPECT_EQ(out.at("model.safetensors.index.json"),
            "{\n"
            "  \"metadata\": {\n"
            "    \"note\": \"caf\\u00e9\",\n"
            "    \"total_parameters\": 12345,\n"
            "    \"total_size\": 2000\n"
            "  },\n"
            "  \"weight_map\": {\n"
            "    \"a\": \"model-00001-of-00004.safetensors\",\n"
            "    \"b\": \"model-00002-of-00004.safetensors\",\n"
            "    \"c\": \"model-00003-of-00004.safetensors\",\n"
            "    \"z\": \"model-00004-of-00004.safetensors\"\n"
            "  }\n"
            "}\n");
  EXPECT_EQ(tensors_of(out, "model"), tensors_of(files, "model"));
  EXPECT_TRUE(check_weights(sharded.snapshot).ok());
}

// A set whose own numbers promised more files than it has.
TEST(VirtualShards, MayReuseItsOwnNames) {
  const std::string odd = "model-00001-of-00002.safetensors";
  const Files files = {{odd, make_file({{"a", 600}, {"b", 600}})},
                       {"model.safetensors.index.json", make_index({{"a", odd}, {"b", odd}})}};
  const Files out = contents_of(shard(files, 1024).snapshot);
  EXPECT_EQ(tensors_of(out, "model"), tensors_of(files, "model"));
  EXPECT_EQ(out.size(), 3u);
}

TEST(VirtualShards, LeavesOneTensorAboveTheLimitWhole) {
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

TEST(VirtualShards, GivesEachTensorAShardWhenTheLimitIsBelowTheHeader) {
  const Files files = {{"model.safetensors", make_file({{"a", 1}, {"b", 0}, {"c", 1}})}};
  const ShardedSnapshot sharded = shard(files, 10);
  const Files out = contents_of(sharded.snapshot);
  EXPECT_EQ(out.size(), 4u);
  EXPECT_EQ(tensors_of(out, "model"), tensors_of(files, "model"));
  EXPECT_EQ(sharded.warnings.size(), 3u);
}

TEST(VirtualShards, ShrinksAPaddedHeader) {
  const std::string padded = R"({"__metadata__":{"format":"pt"},"a":{"dtype":"U8","shape":[4],)"
                             R"("data_offsets":[0,4]}})" +
                             std::string(5000, ' ');
  const Files files = {{"model.safetensors", testing::file_of(padded, "1234")}};
  const Files out = contents_of(shard(files, 1024).snapshot);
  EXPECT_THAT(out, ElementsAre(Key("model-00001-of-00001.safetensors"),
                               Key("model.safetensors.index.json")));
  EXPECT_EQ(tensors_of(out, "model"), tensors_of(files, "model"));
}

TEST(VirtualShards, SplitsOnlyWhatIsLoadedThroughAnIndex) {
  const std::string large = make_file({{"a", 700}, {"b", 700}});
  struct Row {
    const char* path;
    bool split;
  };
  const Row rows[] = {
      {"model.safetensors", true},
      {"diffusion_pytorch_model.safetensors", true},
      {"unet/diffusion_pytorch_model.safetensors", true},
      {"deep/er/model.safetensors", true},
      {"adapter_model.safetensors", false},
      {"other/adapter_model.safetensors", false},
      {"my_model.safetensors", false},
      {"model-00001-of-00002.safetensors", false},
  };
  for (const Row& row : rows) {
    const Files files = {{row.path, large}};
    const ShardedSnapshot sharded = shard(files, 1024);
    EXPECT_EQ(sharded.reports.at(0).outcome == FixOutcome::kApplied, row.split) << row.path;
    EXPECT_EQ(contents_of(sharded.snapshot) == files, !row.split) << row.path;
    EXPECT_EQ(sharded.warnings.size(), row.split ? 0u : 1u) << row.path;
    if (row.split) continue;
    EXPECT_THAT(sharded.warnings.at(0), HasSubstr(row.path));
  }
}

TEST(VirtualShards, TreatsEachFolderOnItsOwn) {
  const std::string large = make_file({{"a", 700}, {"b", 700}});
  const Files files = {{"model.safetensors", large},
                       {"unet/model.safetensors", large},
                       {"vae/model.safetensors", make_file({{"a", 10}})}};
  const ShardedSnapshot sharded = shard(files, 1024);
  EXPECT_EQ(sharded.reports.size(), 2u);
  const Files out = contents_of(sharded.snapshot);
  EXPECT_THAT(
      out,
      ElementsAre(Key("model-00001-of-00002.safetensors"), Key("model-00002-of-00002.safetensors"),
                  Key("model.safetensors.index.json"), Key("unet/model-00001-of-00002.safetensors"),
                  Key("unet/model-00002-of-00002.safetensors"),
                  Key("unet/model.safetensors.index.json"), Key("vae/model.safetensors")));
  EXPECT_EQ(json::parse(out.at("unet/model.safetensors.index.json"))["weight_map"]["b"],
            "model-00002-of-00002.safetensors");
}

TEST(VirtualShards, RefusesWhatItCannotNameOrRead) {
  const std::string large = make_file({{"a", 700}, {"b", 700}});
  const std::string first = "model-00001-of-00002.safetensors";
  const std::string second = "model-00002-of-00002.safetensors";
  const std::string index = "model.safetensors.index.json";
  struct Row {
    Files files;
    const char* message;
  };
  const Row rows[] = {
      {{{"model.safetensors", large}, {second, make_file({{"x", 1}})}},
       "already has a file model-00002-of-00002.safetensors"},
      {{{"model.safetensors", large}, {index, make_index({})}},
       "already has a file model.safetensors.index.json"},
      {{{"model.safetensors", large.substr(0, large.size() - 1)}}, "model.safetensors: truncated"},
      {{{first, large}, {index, make_index({{"a", first}, {"c", second}})}},
       "incomplete: shard model-00002-of-00002.safetensors"},
      {{{first, large},
        {second, make_file({{"a", 1}})},
        {index, make_index({{"a", first}, {"b", second}})}},
       "tensor \"a\" is in two files of model.safetensors.index.json"},
      {{{"model.safetensors", large}, {"x.safetensors.index.json", "{"}}, "no valid JSON"},
  };
  for (const Row& row : rows) EXPECT_THAT(error_of(row.files, 1024), HasSubstr(row.message));
}

TEST(VirtualShards, IsDeterministic) {
  const Files files = {{"model.safetensors", make_file({{"b", 700}, {"a", 700}, {"c", 0}})}};
  EXPECT_EQ(contents_of(shard(files, 1024).snapshot), contents_of(shard(files, 1024).snapshot));
  // What came out is small enough, so a second pass changes nothing.
  const Files once = contents_of(shard(files, 1024).snapshot);
  EXPECT_EQ(contents_of(shard(once, 1024).snapshot), once);
}

}  // namespace
}  // namespace hubrev
