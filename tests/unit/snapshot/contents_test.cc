#include "plugin/snapshot/contents.h"

#include <gtest/gtest.h>

namespace hubrev {
namespace {

enum class Expect { kAlwaysPublished, kOnlyInFull, kNever };

struct Row {
  const char* path;
  Expect expect;
};

TEST(Contents, DecidesByName) {
  const Row rows[] = {
      {"model.safetensors", Expect::kAlwaysPublished},
      {"config.json", Expect::kAlwaysPublished},
      {"trainer_state.json", Expect::kAlwaysPublished},
      {"tokenizer.model", Expect::kAlwaysPublished},
      {"adapter/adapter_model.safetensors", Expect::kAlwaysPublished},
      {"additional_chat_templates/tool.jinja", Expect::kAlwaysPublished},
      {"optimizer.safetensors", Expect::kAlwaysPublished},
      {"my_optimizer.pt", Expect::kAlwaysPublished},
      {"adapter/optimizer.pt", Expect::kAlwaysPublished},
      {"latest.json", Expect::kAlwaysPublished},
      {"merged.safetensors", Expect::kAlwaysPublished},
      {"scheduler_config.json", Expect::kAlwaysPublished},
      {"optimizer_1.safetensors", Expect::kAlwaysPublished},
      {".gitattributes", Expect::kAlwaysPublished},
      {".tmp", Expect::kAlwaysPublished},
      {".cache/other/file", Expect::kAlwaysPublished},
      {"checkpoint-notes.md", Expect::kAlwaysPublished},

      {"optimizer.pt", Expect::kOnlyInFull},
      {"optimizer.bin", Expect::kOnlyInFull},
      {"optimizer_0/__0_0.distcp", Expect::kOnlyInFull},
      {"optimizer_0/", Expect::kOnlyInFull},
      {"scheduler.pt", Expect::kOnlyInFull},
      {"scheduler.bin", Expect::kOnlyInFull},
      {"scaler.pt", Expect::kOnlyInFull},
      {"sampler.bin", Expect::kOnlyInFull},
      {"optimizer_1.bin", Expect::kOnlyInFull},
      {"scheduler_1.bin", Expect::kOnlyInFull},
      {"sampler_1.bin", Expect::kOnlyInFull},
      {"dl_state_dict.bin", Expect::kOnlyInFull},
      {"dl_state_dict_1.bin", Expect::kOnlyInFull},
      {"rng_state.pth", Expect::kOnlyInFull},
      {"rng_state_7.pth", Expect::kOnlyInFull},
      {"random_states_0.pkl", Expect::kOnlyInFull},
      {"custom_checkpoint_0.pkl", Expect::kOnlyInFull},
      {"global_step500/mp_rank_00_model_states.pt", Expect::kOnlyInFull},
      {"global_step500/", Expect::kOnlyInFull},
      {"latest", Expect::kOnlyInFull},
      {"zero_to_fp32.py", Expect::kOnlyInFull},
      {"pytorch_model_fsdp.bin", Expect::kOnlyInFull},
      {"pytorch_model_fsdp_0_rank1.bin", Expect::kOnlyInFull},
      {"pytorch_model_fsdp_0/.metadata", Expect::kOnlyInFull},
      {"merged/model.safetensors", Expect::kOnlyInFull},
      {"merged/deep/er.bin", Expect::kOnlyInFull},
      {"runs/Jan31/events.out", Expect::kOnlyInFull},

      {"training_args.bin", Expect::kNever},
      {"adapter/training_args.bin", Expect::kNever},
      {".git/config", Expect::kNever},
      {".git/", Expect::kNever},
      {".git", Expect::kNever},
      {"adapter/.git/config", Expect::kNever},
      {".cache/huggingface/upload/x.metadata", Expect::kNever},
      {".cache/huggingface/", Expect::kNever},
      {"checkpoint-500/model.safetensors", Expect::kNever},
      {"_hub_revisions/lock", Expect::kNever},
      {".tmpA1b2C3", Expect::kNever},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(is_excluded(row.path, {Contents::kInference}), row.expect != Expect::kAlwaysPublished)
        << row.path;
    EXPECT_EQ(is_excluded(row.path, {Contents::kFull}), row.expect == Expect::kNever) << row.path;
  }
}

TEST(Contents, PatternsAreThoseOfHuggingfaceHub) {
  struct Case {
    std::vector<std::string> patterns;
    std::vector<std::string> ignored;
    std::vector<std::string> kept;
  };
  const Case cases[] = {
      {{"*.pt"}, {"ema.pt", "deep/er/ema.pt"}, {"ema.pth", "pt", "x.pt/", "x.PT"}},
      {{"ema/"}, {"ema/", "ema/a", "ema/b/c"}, {"ema", "other/ema/a", "ema2/a"}},
      {{"ema*"}, {"ema/", "ema/a", "ema.bin"}, {"a/ema.bin"}},
      {{"*/ema/*"}, {"a/ema/b"}, {"ema/b", "a/"}},
      {{"log?.txt", "[ab].json"}, {"log1.txt", "a.json"}, {"log.txt", "c.json", "log12.txt"}},
      {{"[!a].json"}, {"b.json"}, {"a.json"}},
      {{"a\\*"}, {"a\\b", "a/b"}, {"a*", "ab"}},
      {{"a[^b]", "[[:x:]]"}, {"a^", "ab", "x]"}, {"ac", "x", "a[^b]"}},
      {{"a?"}, {"ab"}, {"a/"}},
      {{"", "["}, {"["}, {"a", "a/"}},
  };
  for (const Case& row : cases) {
    for (const Contents contents : {Contents::kInference, Contents::kFull}) {
      for (const std::string& path : row.ignored) {
        EXPECT_TRUE(is_excluded(path, {contents, row.patterns})) << path << row.patterns[0];
      }
      for (const std::string& path : row.kept) {
        EXPECT_FALSE(is_excluded(path, {contents, row.patterns})) << path << row.patterns[0];
      }
    }
  }
}

}  // namespace
}  // namespace hubrev
