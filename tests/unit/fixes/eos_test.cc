#include <gtest/gtest.h>

#include "tests/unit/fixes/snapshots.h"

namespace hubrev {
namespace {

using testing::edited;
using testing::Files;
using testing::snapshot_of;

constexpr const char* kGeneration = "generation_config.json";
constexpr const char* kConfig = "config.json";

FixContext with_live_id(std::int64_t id, EosPolicy policy = EosPolicy::kAlign) {
  FixContext context;
  context.eos = policy;
  context.eos_token_id = id;
  return context;
}

struct Row {
  EosPolicy policy;
  std::string before;
  std::string after;  // "" where nothing changes
  std::string detail;
};

void check(const Row& row, const std::string& path) {
  const auto edit = fix_eos(snapshot_of({{path, row.before}}), with_live_id(2, row.policy));
  ASSERT_TRUE(edit.ok()) << row.before;
  EXPECT_EQ(edited(*edit, path), row.after) << row.before;
  EXPECT_EQ(edit->entries.size(), row.after.empty() ? 0u : 1u);
  EXPECT_EQ(edit->detail, path + row.detail);
  EXPECT_EQ(edit->outcome == FixOutcome::kApplied, !row.after.empty()) << row.before;
}

TEST(Eos, EditsGenerationConfig) {
  const std::string fine = " needs no change for the tokenizer's EOS id 2";
  const std::string odd =
      ": eos_token_id is neither an integer nor a list of integers and was left alone";
  const Row rows[] = {
      {EosPolicy::kAlign, "{\n  \"eos_token_id\": 0\n}\n", "{\n  \"eos_token_id\": 2\n}\n",
       ": eos_token_id 0 -> 2"},
      {EosPolicy::kAlign, "{\"eos_token_id\": 2}", "", fine},
      {EosPolicy::kAlign, "{\"eos_token_id\": [7, 2]}", "", fine},
      {EosPolicy::kAlign,
       "{\n  \"eos_token_id\": [\n    0,\n    1\n  ],\n  \"pad_token_id\": 0\n}\n",
       "{\n  \"eos_token_id\": [\n    2,\n    0,\n    1\n  ],\n  \"pad_token_id\": 0\n}\n",
       ": eos_token_id [0, 1] -> [2, 0, 1]"},
      {EosPolicy::kAlign, "{\"eos_token_id\": []}", "{\"eos_token_id\": [2]}",
       ": eos_token_id [] -> [2]"},
      {EosPolicy::kAlign, "{\"eos_token_id\": null}", "{\"eos_token_id\": 2}",
       ": eos_token_id null -> 2"},
      {EosPolicy::kAlign, "{\n  \"bos_token_id\": 1,\n  \"pad_token_id\": 0\n}",
       "{\n  \"bos_token_id\": 1,\n  \"eos_token_id\": 2,\n  \"pad_token_id\": 0\n}",
       ": eos_token_id added: 2"},
      {EosPolicy::kAlign, "{\"eos_token_id\": \"2\"}", "", odd},
      {EosPolicy::kAlign, "{\"eos_token_id\": [2, null]}", "", odd},
      {EosPolicy::kAlign, "{\"eos_token_id\": 2.0}", "", odd},
      {EosPolicy::kReplace, "{\"eos_token_id\": [7, 2]}", "{\"eos_token_id\": 2}",
       ": eos_token_id [7, 2] -> 2"},
      {EosPolicy::kReplace, "{\"eos_token_id\": [2]}", "", fine},
      {EosPolicy::kReplace, "{\"eos_token_id\": 2}", "", fine},
      {EosPolicy::kReplace, "{\"eos_token_id\": 5}", "{\"eos_token_id\": 2}",
       ": eos_token_id 5 -> 2"},
  };
  for (const Row& row : rows) check(row, kGeneration);
}

TEST(Eos, EditsConfigWhereThereIsNoGenerationConfig) {
  const std::string fine = " needs no change for the tokenizer's EOS id 2";
  const std::string causal = "{\"architectures\": [\"LlamaForCausalLM\"]";
  const Row rows[] = {
      {EosPolicy::kAlign, "{\"eos_token_id\": 0}", "{\"eos_token_id\": 2}",
       ": eos_token_id 0 -> 2"},
      {EosPolicy::kAlign, "{\"eos_token_id\": 0, \"text_config\": {\"eos_token_id\": [1]}}",
       "{\"eos_token_id\": 2, \"text_config\": {\"eos_token_id\": [2, 1]}}",
       ": eos_token_id 0 -> 2; config.json: text_config.eos_token_id [1] -> [2, 1]"},
      {EosPolicy::kAlign, "{\"text_config\": {\"eos_token_id\": 9}}",
       "{\"text_config\": {\"eos_token_id\": 2}}", ": text_config.eos_token_id 9 -> 2"},
      {EosPolicy::kAlign, "{\"eos_token_id\": 2, \"text_config\": {}}", "", fine},
      {EosPolicy::kAlign, "{\"eos_token_id\": null, \"text_config\": {\"eos_token_id\": 2}}", "",
       fine},
      {EosPolicy::kAlign, causal + "}", causal + ", \"eos_token_id\": 2}",
       ": eos_token_id added: 2"},
      {EosPolicy::kAlign, causal + ", \"eos_token_id\": null}", causal + ", \"eos_token_id\": 2}",
       ": eos_token_id null -> 2"},
      // A classifier without an EOS id needs none.
      {EosPolicy::kAlign, "{\"architectures\": [\"BertForSequenceClassification\"]}", "", fine},
      {EosPolicy::kAlign, "{\"eos_token_id\": null}", "", fine},
  };
  for (const Row& row : rows) check(row, kConfig);
}

TEST(Eos, ConfigStaysAsItIsBesideGenerationConfig) {
  const auto edit = fix_eos(
      snapshot_of({{kConfig, R"({"eos_token_id": 0})"}, {kGeneration, R"({"eos_token_id": 0})"}}),
      with_live_id(2));
  ASSERT_TRUE(edit.ok());
  EXPECT_EQ(edited(*edit, kConfig), "");
  EXPECT_EQ(edited(*edit, kGeneration), R"({"eos_token_id": 2})");
}

TEST(Eos, SkipsWithAReason) {
  struct Skip {
    Files files;
    FixContext context;
    std::string detail;
  };
  const Skip rows[] = {
      {{{kGeneration, "{broken"}},
       with_live_id(2, EosPolicy::kOff),
       "switched off by the setting 'eos'"},
      {{{kGeneration, "{}"}}, {}, "the EOS id is unknown: the tokenizer's files name no EOS token"},
      {{{kGeneration, "{}"}, {kConfig, R"({"vocab_size": 100})"}},
       with_live_id(100),
       "the tokenizer's EOS id 100 lies outside the model's vocabulary of 100 tokens"},
      {{{kGeneration, "{}"}, {kConfig, R"({"text_config": {"vocab_size": 8}})"}},
       with_live_id(9),
       "the tokenizer's EOS id 9 lies outside the model's vocabulary of 8 tokens"},
      {{{kGeneration, "{}"}},
       with_live_id(-1),
       "the tokenizer's EOS id -1 lies outside the model's vocabulary"},
      {{{"adapter_config.json", "{}"}},
       with_live_id(2),
       "there is neither generation_config.json nor config.json; an adapter takes them from its "
       "base model"},
      {{{kGeneration, "{\"eos_token_id\": \"x\"}"}},
       with_live_id(2),
       "generation_config.json: eos_token_id is neither an integer nor a list of integers and was "
       "left alone"},
  };
  for (const Skip& row : rows) {
    const auto edit = fix_eos(snapshot_of(row.files), row.context);
    ASSERT_TRUE(edit.ok()) << row.detail;
    EXPECT_EQ(edit->outcome, FixOutcome::kSkipped);
    EXPECT_EQ(edit->detail, row.detail);
    EXPECT_TRUE(edit->entries.empty());
  }
}

TEST(Eos, TheLiveTokenizerWinsAndTheDifferenceIsReported) {
  const Files files = {{kGeneration, R"({"eos_token_id": 3})"},
                       {"tokenizer_config.json", R"({"eos_token": "<e>"})"},
                       {"vocab.json", R"({"<e>": 3})"}};
  const auto from_files = fix_eos(snapshot_of(files), {});
  ASSERT_TRUE(from_files.ok());
  EXPECT_EQ(from_files->outcome, FixOutcome::kUnchanged);
  EXPECT_TRUE(from_files->warnings.empty());

  const auto live = fix_eos(snapshot_of(files), with_live_id(2));
  ASSERT_TRUE(live.ok());
  EXPECT_EQ(edited(*live, kGeneration), R"({"eos_token_id": 2})");
  ASSERT_EQ(live->warnings.size(), 1u);
  EXPECT_EQ(live->warnings[0],
            "the tokenizer in memory stops at id 2 but vocab.json says 3; save the tokenizer with "
            "the checkpoint (the id in memory is used)");
}

TEST(Eos, DamagedFilesAreInvalidInput) {
  for (const char* path : {kGeneration, kConfig}) {
    const auto edit = fix_eos(snapshot_of({{path, "{\"eos_token_id\": "}}), with_live_id(2));
    ASSERT_FALSE(edit.ok());
    EXPECT_EQ(edit.error().kind, ErrorKind::kInvalidInput);
    EXPECT_EQ(edit.error().message,
              std::string(path) +
                  " is not valid JSON at byte 17; the checkpoint is damaged: save it again");
  }
}

}  // namespace
}  // namespace hubrev
