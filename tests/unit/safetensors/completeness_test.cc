#include "plugin/safetensors/completeness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/safetensors/checkpoint.h"

namespace hubrev {
namespace {

using ::testing::HasSubstr;
using testing::make_file;
using testing::make_index;
using testing::make_snapshot;

using Files = std::map<std::string, std::string>;

const std::string kFirst = "model-00001-of-00002.safetensors";
const std::string kSecond = "model-00002-of-00002.safetensors";

Files sharded() {
  return {
      {"config.json", "{}"},
      {kFirst, make_file({{"a", 3}, {"b", 4}})},
      {kSecond, make_file({{"c", 5}})},
      {"model.safetensors.index.json", make_index({{"a", kFirst}, {"b", kFirst}, {"c", kSecond}})}};
}

TEST(CheckWeights, AcceptsWhatIsComplete) {
  const Files cases[] = {
      {{"model.safetensors", make_file({{"a", 3}})}},
      {{"adapter_model.safetensors", make_file({{"a", 3}})}},
      {{"adapter_model.bin", "x"}},
      {{"other/adapter_model.safetensors", make_file({{"a", 3}})}},
      {{"model.gguf", "x"}},
      {{"pytorch_model_fsdp_0/__0_0.distcp", "x"}},
      {{"global_step5/mp_rank_00_model_states.pt", "x"}},
      {{"pytorch_model-1-of-1.bin", "x"},
       {"pytorch_model.bin.index.json", make_index({{"a", "pytorch_model-1-of-1.bin"}})}},
      sharded(),
  };
  for (const Files& files : cases) {
    const Status status = check_weights(make_snapshot(files));
    EXPECT_TRUE(status.ok()) << files.begin()->first << ": " << status.error().message;
  }
}

TEST(CheckWeights, RefusesACheckpointWithoutWeights) {
  const Files cases[] = {
      {},
      {{"config.json", "{}"}, {"tokenizer.json", "{}"}},
      {{"optimizer.pt", "x"}, {"scheduler.pt", "x"}, {"rng_state_0.pth", "x"}},
      {{"training_args.bin", "x"}, {"scaler.pt", "x"}, {"optimizer.bin", "x"}},
      {{"optimizer_0/__0_0.distcp", "x"}},
      {{"deep/optimizer_0/__0_0.distcp", "x"}},
      {{"model.safetensors.index.json", make_index({{"a", kFirst}})}},
  };
  for (const Files& files : cases) {
    const Status status = check_weights(make_snapshot(files));
    ASSERT_FALSE(status.ok()) << (files.empty() ? "empty" : files.begin()->first);
    EXPECT_EQ(status.error().kind, ErrorKind::kInvalidInput);
    EXPECT_THAT(status.error().message, HasSubstr("holds no weights"));
  }
}

TEST(ShardedWeightsOnly, NamesTheirFolder) {
  struct Row {
    Files files;
    std::vector<std::string> excluded;
    std::optional<ShardedWeights> weights;
  };
  const ShardedWeights fsdp{ShardedBy::kFsdp, "pytorch_model_fsdp_0/"};
  const ShardedWeights deepspeed{ShardedBy::kDeepSpeed, "global_step5/"};
  const std::string of_a_rank = "global_step5/zero_pp_rank_0_mp_rank_00_model_states.pt";
  const Row rows[] = {
      {{{"trainer_state.json", "{}"}}, {"optimizer_0/", "pytorch_model_fsdp_0/"}, fsdp},
      {{{"pytorch_model_fsdp_0/__0_0.distcp", "x"}, {"optimizer_0/__0_0.distcp", "x"}}, {}, fsdp},
      {{{"model.safetensors", "x"}, {"pytorch_model_fsdp_0/__0_0.distcp", "x"}}, {}, {}},
      {{{"trainer_state.json", "{}"}}, {"optimizer_0/", "pytorch_model_fsdp.bin"}, {}},
      {{{"config.json", "{}"}}, {"global_step5/", "latest", "zero_to_fp32.py"}, deepspeed},
      {{{"config.json", "{}"}, {of_a_rank, "x"}, {"latest", "x"}}, {}, deepspeed},
      {{{"adapter_model.safetensors", "x"}}, {"global_step5/"}, {}},
      {{{"pytorch_model.bin", "x"}, {of_a_rank, "x"}}, {}, {}},
  };
  for (const Row& row : rows) {
    const auto found = sharded_weights_only(make_snapshot(row.files), row.excluded);
    ASSERT_EQ(found.has_value(), row.weights.has_value()) << row.files.begin()->first;
    if (!found) continue;
    EXPECT_EQ(found->engine, row.weights->engine);
    EXPECT_EQ(found->folder, row.weights->folder);
  }
}

struct Damage {
  const char* path;
  std::string bytes;  // "-" removes the file
  const char* message;
};

TEST(CheckWeights, NamesWhatIsIncomplete) {
  const std::string index = "model.safetensors.index.json";
  const std::string whole = make_file({{"c", 5}});
  const Damage cases[] = {
      {kSecond.c_str(), "-",
       "incomplete: shard model-00002-of-00002.safetensors named by model.safetensors.index.json "
       "is "
       "missing"},
      {kSecond.c_str(), whole.substr(0, whole.size() - 1),
       "model-00002-of-00002.safetensors: truncated: the header promises 5 bytes of data, the file "
       "has 4"},
      {kSecond.c_str(), "", "model-00002-of-00002.safetensors: truncated"},
      {kSecond.c_str(), make_file({{"d", 5}}), "tensor \"d\" of "},
      {kSecond.c_str(), make_file({}), "incomplete: tensor \"c\" named by"},
      {kSecond.c_str(), make_file({{"c", 5}, {"d", 5}}), "tensor \"d\" of "},
      {kFirst.c_str(), make_file({{"a", 3}, {"b", 4}, {"c", 5}}), "tensor \"c\" of "},
      {index.c_str(), "{", "model.safetensors.index.json: the index is no valid JSON"},
      {index.c_str(), make_index({{"a", kFirst}, {"b", kFirst}, {"c", "config.json"}}),
       "config.json, a shard by its index, is no safetensors file"},
      {"other.safetensors.index.json", make_index({{"c", kSecond}}), "is named by two indexes"},
      {"x.bin.index.json", make_index({{"c", kSecond}}), "is named by two indexes"},
      {"sub/model.safetensors.index.json", make_index({{"c", kSecond}}),
       "shard sub/model-00002-of-00002.safetensors named by sub/model.safetensors.index.json is"},
      {"unrelated.safetensors", "not safetensors at all", "unrelated.safetensors: the header"},
      {"pytorch_model.bin.index.json", make_index({{"c", "gone.bin"}}),
       "incomplete: shard gone.bin named by pytorch_model.bin.index.json is missing"},
      {"pytorch_model.bin.index.json", "nonsense", "pytorch_model.bin.index.json: the index"},
  };
  for (const Damage& damage : cases) {
    Files files = sharded();
    files[damage.path] = damage.bytes;
    if (damage.bytes == "-") files.erase(damage.path);
    const Status status = check_weights(make_snapshot(files));
    ASSERT_FALSE(status.ok()) << damage.message;
    EXPECT_EQ(status.error().kind, ErrorKind::kInvalidInput);
    EXPECT_THAT(status.error().message, HasSubstr(damage.message));
  }
}

}  // namespace
}  // namespace hubrev
