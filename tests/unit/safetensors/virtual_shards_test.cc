#include "plugin/safetensors/virtual_shards.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugin/safetensors/completeness.h"
#include "tests/unit/safetensors/sharding.h"

namespace hubrev {
namespace {

using nlohmann::json;
using testing::contents_of;
using ::testing::ElementsAre;
using testing::Files;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::joined_data;
using ::testing::Key;
using testing::make_file;
using testing::make_index;
using testing::make_snapshot;
using testing::shard;
using testing::tensors_of;

std::string error_of(const Files& files, std::uint64_t limit) {
  const auto sharded = apply_virtual_shards(make_snapshot(files), {limit});
  if (sharded.ok()) return "no error";
  EXPECT_EQ(sharded.error().kind, ErrorKind::kInvalidInput);
  return sharded.error().message;
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

TEST(VirtualShards, LeavesAloneWhatAnIndexOfBinFilesNames) {
  const Files files = {{"model.safetensors", make_file({{"a", 700}, {"b", 700}})},
                       {"pytorch_model.bin.index.json", make_index({{"a", "model.safetensors"}})}};
  const ShardedSnapshot sharded = shard(files, 1024);
  EXPECT_EQ(contents_of(sharded.snapshot), files);
  EXPECT_TRUE(check_weights(sharded.snapshot).ok());
  EXPECT_THAT(sharded.warnings, ElementsAre(HasSubstr("model.safetensors is above")));
}

TEST(VirtualShards, LeavesResumeStateAlone) {
  const std::string weights = make_file({{"a", 700}, {"b", 700}});
  const Files cases[] = {
      {{"weights.safetensors", weights},
       {"optimizer.safetensors.index.json",
        make_index({{"a", "weights.safetensors"}, {"b", "weights.safetensors"}})}},
      {{"optimizer_0/model.safetensors", weights}, {"adapter_model.bin", "x"}},
  };
  for (const Files& files : cases) {
    const ShardedSnapshot sharded = shard(files, 1024);
    EXPECT_EQ(contents_of(sharded.snapshot), files);
    EXPECT_TRUE(check_weights(sharded.snapshot).ok());
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

}  // namespace
}  // namespace hubrev
