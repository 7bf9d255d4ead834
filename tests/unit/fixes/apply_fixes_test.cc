#include "plugin/fixes/apply_fixes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"
#include "tests/unit/fixes/snapshots.h"

namespace hubrev {
namespace {

using testing::Files;
using testing::files_of;
using testing::snapshot_of;

// As transformers 5 writes a full checkpoint after a Trainer run.
const char* const kConfig = R"({
  "architectures": [
    "FalconH1ForCausalLM"
  ],
  "bos_token_id": 1,
  "dtype": "bfloat16",
  "eos_token_id": 11,
  "id2label": {
    "0": "LABEL_0",
    "1": "caf\u00e9"
  },
  "model_type": "falcon_h1",
  "rope_parameters": {
    "rope_theta": 100000000000.0,
    "rope_type": "default"
  },
  "time_step_limit": [
    0.0,
    Infinity
  ],
  "time_step_min": -Infinity,
  "tie_word_embeddings": false,
  "transformers_version": "5.15.0.dev0",
  "use_cache": false,
  "vocab_size": 32784
}
)";

const char* const kGeneration = R"({
  "_from_model_config": true,
  "bos_token_id": 1,
  "eos_token_id": [
    11
  ],
  "pad_token_id": 0,
  "transformers_version": "5.15.0.dev0"
}
)";

Files checkpoint() {
  return {{"config.json", kConfig},
          {"generation_config.json", kGeneration},
          {"tokenizer_config.json",
           R"({"eos_token": "<|im_end|>", "tokenizer_class": "TokenizersBackend"})"},
          {"tokenizer.json",
           R"({"added_tokens": [{"id": 228, "content": "<|im_end|>", "special": true}],
               "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}})"},
          {"model.safetensors", std::string("\x02\0\0\0\0\0\0\0{}", 10)}};
}

FixContext context() {
  FixContext value;
  value.repo_id = "org/m";
  value.revision = "step-000000010";
  value.endpoint = "https://huggingface.co";
  value.page = "https://huggingface.co/org/tiny/tree/step-000000500";
  value.step = 10;
  value.metrics = {{"eval_loss", 1.5}};
  return value;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

TEST(ApplyFixes, ChangesNothingButWhatItReports) {
  const auto fixed = apply_fixes(snapshot_of(checkpoint()), context());
  ASSERT_TRUE(fixed.ok());
  Files expected = checkpoint();
  expected["config.json"] = replaced(kConfig, "\"use_cache\": false", "\"use_cache\": true");
  expected["generation_config.json"] = replaced(kGeneration, "[\n    11", "[\n    228,\n    11");
  Files files = files_of(fixed->snapshot);
  expected["README.md"] = files["README.md"];
  EXPECT_EQ(files, expected);

  ASSERT_EQ(fixed->reports.size(), 3u);
  EXPECT_EQ(fixed->reports[0].name, "eos");
  EXPECT_EQ(fixed->reports[0].detail, "generation_config.json: eos_token_id [11] -> [228, 11]");
  EXPECT_EQ(fixed->reports[0].files, std::vector<std::string>{"generation_config.json"});
  EXPECT_EQ(fixed->reports[1].name, "use_cache");
  EXPECT_EQ(fixed->reports[1].detail, "config.json: use_cache false -> true");
  EXPECT_EQ(fixed->reports[1].files, std::vector<std::string>{"config.json"});
  EXPECT_EQ(fixed->reports[2].name, "card");
  EXPECT_EQ(fixed->reports[2].files, std::vector<std::string>{"README.md"});
  for (const FixReport& report : fixed->reports) EXPECT_EQ(report.outcome, FixOutcome::kApplied);
  EXPECT_TRUE(fixed->warnings.empty());
}

TEST(ApplyFixes, TwiceIsOnce) {
  const char* const kPeftCard =
      "---\nlibrary_name: peft\nbase_model: /a/b\n---\n[More Information Needed]\n";
  const char* const kTrlCard = "---\r\nlicence: license\r\ntags: trl\r\n---\r\n# T\r\n";
  std::vector<std::pair<Files, FixContext>> rows;
  rows.emplace_back(checkpoint(), context());
  rows.emplace_back(Files{}, FixContext{});
  for (const char* card : {kPeftCard, kTrlCard, "# plain", "---\nbad: [\n---\n"}) {
    Files files = checkpoint();
    files["README.md"] = card;
    rows.emplace_back(files, context());
    FixContext with_trainer = context();
    with_trainer.trainer_card = kTrlCard;
    rows.emplace_back(files, with_trainer);
    FixContext with_bad_trainer = context();
    with_bad_trainer.trainer_card = "---\nbad: [\n---\n";
    with_bad_trainer.eos = EosPolicy::kReplace;
    rows.emplace_back(files, with_bad_trainer);
  }
  for (const auto& [files, with] : rows) {
    const auto once = apply_fixes(snapshot_of(files), with);
    ASSERT_TRUE(once.ok());
    const auto twice = apply_fixes(once->snapshot, with);
    ASSERT_TRUE(twice.ok());
    EXPECT_EQ(files_of(twice->snapshot), files_of(once->snapshot));
    for (const FixReport& report : twice->reports) {
      EXPECT_NE(report.outcome, FixOutcome::kApplied) << report.detail;
    }
  }
}

TEST(ApplyFixes, EverythingOffReturnsTheSnapshot) {
  FixContext off = context();
  off.eos = EosPolicy::kOff;
  off.use_cache = UseCachePolicy::kOff;
  off.card = CardPolicy::kOff;
  Files files = checkpoint();
  files["config.json"] = "{broken";
  const auto fixed = apply_fixes(snapshot_of(files), off);
  ASSERT_TRUE(fixed.ok());
  EXPECT_EQ(files_of(fixed->snapshot), files);
  for (const FixReport& report : fixed->reports) EXPECT_EQ(report.outcome, FixOutcome::kSkipped);
}

TEST(ApplyFixes, NeverWritesToTheFrozenFiles) {
  const testing::TempDir frozen;
  Snapshot snapshot;
  for (const auto& [path, bytes] : checkpoint()) {
    put_entry(snapshot, {path, Source::from_file(frozen.write(path, bytes), bytes.size())});
  }
  const auto fixed = apply_fixes(snapshot, context());
  ASSERT_TRUE(fixed.ok());
  EXPECT_EQ(files_of(fixed->snapshot),
            files_of(apply_fixes(snapshot_of(checkpoint()), context())->snapshot));
  EXPECT_EQ(files_of(snapshot), checkpoint());
  EXPECT_FALSE(std::filesystem::exists(frozen.path() / "README.md"));
}

TEST(ApplyFixes, ErrorsOfReadingAreNotHidden) {
  for (const char* path :
       {"config.json", "generation_config.json", "README.md", "tokenizer.json"}) {
    Snapshot snapshot = snapshot_of(checkpoint());
    put_entry(snapshot, {path, Source::from_file("/nonexistent/frozen", 10)});
    const auto fixed = apply_fixes(snapshot, context());
    ASSERT_FALSE(fixed.ok()) << path;
    EXPECT_EQ(fixed.error().kind, ErrorKind::kIo) << path;
  }
}

}  // namespace
}  // namespace hubrev
