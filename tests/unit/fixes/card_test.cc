#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/unit/fixes/snapshots.h"

namespace hubrev {
namespace {

using testing::edited;
using ::testing::ElementsAre;
using testing::Files;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::snapshot_of;

FixContext context() {
  FixContext value;
  value.repo_id = "org/tiny-sft";
  value.revision = "step-000000500";
  value.endpoint = "https://huggingface.co";
  value.page = "https://huggingface.co/org/tiny-sft/tree/step-000000500";
  value.step = 500;
  value.epoch = 1.25;
  value.tokens = 1'048'576;
  value.metrics = {{"eval_loss", 0.5}, {"eval_runtime", 3.0}};
  return value;
}

const char* const kCausal =
    R"({"architectures": ["LlamaForCausalLM"], "_name_or_path": "org/base"})";

const char* const kNewCard = R"(---
library_name: transformers
base_model: org/base
tags:
- hub-revisions
model-index:
- name: tiny-sft
  results:
  - task:
      type: text-generation
    dataset:
      name: evaluation set
      type: unknown
    metrics:
    - type: loss
      name: eval_loss
      value: 0.5
    source:
      name: hub-revisions
      url: https://huggingface.co/org/tiny-sft/tree/step-000000500
---

# tiny-sft

A checkpoint published during training.

<!-- hub-revisions: begin -->
## This revision

| | |
|---|---|
| step | 500 |
| epoch | 1.25 |
| input tokens seen | 1048576 |
| eval_loss | 0.5 |
| eval_runtime | 3.0 |

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("org/tiny-sft", revision="step-000000500")
tokenizer = AutoTokenizer.from_pretrained("org/tiny-sft", revision="step-000000500")
```
<!-- hub-revisions: end -->
)";

const char* const kTrlCard = R"(---
base_model: /scratch/me/base
datasets: org/data
library_name: transformers
model_name: tiny-sft
tags:
- generated_from_trainer
- trl
- sft
licence: license
---

# Model Card for tiny-sft

It was trained.
)";

const char* const kPeftCard = R"(---
base_model: /scratch/me/base
library_name: peft
pipeline_tag: text-generation
tags:
- lora
---

# Model Card for Model ID

- **Developed by:** [More Information Needed]
)";

std::string card_of(const Files& files, const FixContext& with) {
  const auto edit = fix_card(snapshot_of(files), with);
  EXPECT_TRUE(edit.ok());
  return edit.ok() ? edited(*edit, "README.md") : "";
}

std::string front_matter_of(const std::string& card) {
  return card.substr(4, card.find("\n---\n") - 3);
}

TEST(Card, WritesANewOne) {
  const auto edit =
      fix_card(snapshot_of({{"config.json", kCausal}, {"tokenizer.json", "{}"}}), context());
  ASSERT_TRUE(edit.ok());
  EXPECT_EQ(edited(*edit, "README.md"), kNewCard);
  EXPECT_EQ(edit->outcome, FixOutcome::kApplied);
  EXPECT_EQ(edit->detail, "README.md: made from scratch");
  EXPECT_THAT(edit->warnings, IsEmpty());
}

TEST(Card, ItsOwnOutcomeIsComplete) {
  const auto edit = fix_card(
      snapshot_of({{"config.json", kCausal}, {"tokenizer.json", "{}"}, {"README.md", kNewCard}}),
      context());
  ASSERT_TRUE(edit.ok());
  EXPECT_EQ(edit->outcome, FixOutcome::kUnchanged);
  EXPECT_THAT(edit->entries, IsEmpty());
}

TEST(Card, ALaterStepReplacesItsResultAndSection) {
  FixContext later = context();
  later.step = 1000;
  later.revision = "step-000001000";
  later.page = "https://huggingface.co/org/tiny-sft/tree/step-000001000";
  later.metrics = {{"eval_loss", 0.25}};
  const std::string card =
      card_of({{"config.json", kCausal}, {"tokenizer.json", "{}"}, {"README.md", kNewCard}}, later);
  EXPECT_THAT(card, HasSubstr("value: 0.25"));
  EXPECT_THAT(card, HasSubstr("| step | 1000 |"));
  EXPECT_THAT(card, Not(HasSubstr("000500")));
  EXPECT_THAT(card, Not(HasSubstr("value: 0.5\n")));
}

TEST(Card, CompletesTheTrainersOne) {
  FixContext with = context();
  with.trainer_card = kTrlCard;
  with.metrics.clear();
  with.datasets = {"org/data", "org/more"};
  with.tags = {"trl", "mine"};
  with.license = "apache-2.0";
  const std::string card = card_of({{"config.json", kCausal}}, with);
  EXPECT_EQ(front_matter_of(card),
            "datasets:\n- org/data\n- org/more\nlibrary_name: transformers\nmodel_name: tiny-sft\n"
            "tags:\n- generated_from_trainer\n- trl\n- sft\n- hub-revisions\n- mine\n"
            "base_model: org/base\nlicense: apache-2.0\n");
  EXPECT_THAT(card, HasSubstr("---\n\n# Model Card for tiny-sft\n\nIt was trained.\n\n<!-- hub"));
}

TEST(Card, ShowsTheSystemPromptWhateverItHolds) {
  FixContext with = context();
  EXPECT_THAT(card_of({}, with), Not(HasSubstr("system prompt")));
  with.system_prompt = "Think:\n```\n<think>\n```";
  EXPECT_THAT(card_of({}, with),
              HasSubstr("with this system prompt:\n\n````text\nThink:\n```\n<think>\n```\n````\n"));
}

TEST(Card, PrefersTheTrainersCardOnlyToPeftsTemplate) {
  FixContext with = context();
  with.trainer_card = kTrlCard;
  const Files files = {{"adapter_config.json",
                        R"({"base_model_name_or_path": "org/base", "task_type": "CAUSAL_LM"})"},
                       {"README.md", kPeftCard}};
  const std::string trl = card_of(files, with);
  EXPECT_THAT(trl, HasSubstr("It was trained."));
  EXPECT_THAT(trl, HasSubstr("library_name: peft\n"));
  with.trainer_card.reset();
  const std::string peft = card_of(files, with);
  EXPECT_THAT(peft, HasSubstr("[More Information Needed]"));
  EXPECT_THAT(peft, HasSubstr("library_name: peft\n"));
  EXPECT_THAT(peft, HasSubstr("base_model: org/base\n"));
  EXPECT_THAT(peft, HasSubstr("from peft import AutoPeftModelForCausalLM\n"));
  with.trainer_card = kTrlCard;
  EXPECT_THAT(card_of({{"config.json", kCausal}, {"README.md", "# Mine\n"}}, with),
              HasSubstr("# Mine\n"));
}

TEST(Card, OffLeavesItAlone) {
  FixContext with = context();
  with.card = CardPolicy::kOff;
  const auto edit = fix_card(snapshot_of({{"README.md", "---\n{[\n---\n"}}), with);
  ASSERT_TRUE(edit.ok());
  EXPECT_EQ(edit->outcome, FixOutcome::kSkipped);
  EXPECT_THAT(edit->entries, IsEmpty());
}

TEST(Card, OneThatCannotBeUsedFallsBackWithAWarning) {
  struct Row {
    std::string card;
    std::string why;
  };
  const Row rows[] = {
      {"---\na: [b\n---\n# Theirs\n", "the front matter cannot be used"},
      {"---\na: &x b\nc: *x\n---\n# Theirs\n", "alias"},
      {"---\n- a\n---\n# Theirs\n", "no mapping"},
      {"---\njust text\n---\n# Theirs\n", "no mapping"},
      {"# Theirs \xFF\n", "not UTF-8"},
      {std::string("# Theirs \0\n", 11), "not UTF-8"},
      {"# Theirs\n" + std::string(1u << 20, 'x'), "larger than 1048576 bytes"},
  };
  for (const Row& row : rows) {
    const Files files = {
        {"config.json", kCausal}, {"tokenizer.json", "{}"}, {"README.md", row.card}};
    const auto edit = fix_card(snapshot_of(files), context());
    ASSERT_TRUE(edit.ok());
    EXPECT_EQ(edited(*edit, "README.md"), kNewCard) << row.why;
    ASSERT_EQ(edit->warnings.size(), 1u);
    EXPECT_THAT(edit->warnings[0], HasSubstr(row.why));
  }
}

TEST(Card, MetricsThatAreNoNumbersAreLeftOut) {
  FixContext with = context();
  with.metrics = {{"eval_loss", std::nan("")},
                  {"eval_x", std::numeric_limits<double>::infinity()},
                  {"a|b<!-- c\n", 1e-7}};
  with.epoch = std::nan("");
  const std::string card = card_of({{"config.json", kCausal}}, with);
  EXPECT_THAT(card, Not(HasSubstr("eval_loss")));
  EXPECT_THAT(card, Not(HasSubstr("eval_x")));
  EXPECT_THAT(card, Not(HasSubstr("epoch")));
  EXPECT_THAT(card, HasSubstr("| a\\|b&lt;!-- c  | 1.0e-07 |"));
  EXPECT_THAT(card, HasSubstr("value: 1.0e-07\n"));
}

TEST(Card, SettingsWithControlCharactersStillGiveACard) {
  FixContext with = context();
  with.tags = {"x\x01y", "xy", "\x01", "\xFF"};
  with.datasets = {"\x02"};
  with.license = "\x03";
  with.metrics = {{"\x04", 1.0}, {"eval_\x05", 2.0}};
  const std::string card = card_of({{"config.json", kCausal}}, with);
  EXPECT_THAT(front_matter_of(card),
              HasSubstr("tags:\n- hub-revisions\n- xy\n- \"\xEF\xBF\xBD\"\n"));
  EXPECT_THAT(front_matter_of(card), Not(HasSubstr("license")));
  EXPECT_THAT(front_matter_of(card), Not(HasSubstr("datasets")));
  EXPECT_THAT(front_matter_of(card), HasSubstr("type: eval_\n"));
}

TEST(Card, SnippetMatchesTheModel) {
  struct Row {
    Files files;
    std::string line;
  };
  const auto architecture = [](const std::string& name) {
    return "{\"architectures\": [\"" + name + "\"]}";
  };
  const Row rows[] = {
      {{{"config.json", architecture("BertForSequenceClassification")}},
       "from transformers import AutoModelForSequenceClassification\n"},
      {{{"config.json", architecture("GPT2LMHeadModel")}},
       "from transformers import AutoModelForCausalLM\n"},
      {{{"config.json", architecture("T5ForConditionalGeneration")}},
       "from transformers import AutoModelForSeq2SeqLM\n"},
      {{{"config.json",
         R"({"architectures": ["Qwen3VLForConditionalGeneration"], "vision_config": {}})"},
        {"processor_config.json", "{}"}},
       "from transformers import AutoModelForImageTextToText, AutoProcessor\n"},
      {{{"config.json", architecture("WhisperForConditionalGeneration")}},
       "from transformers import AutoModelForSpeechSeq2Seq\n"},
      {{{"config.json", architecture("BertModel")}}, "from transformers import AutoModel\n"},
      {{{"config.json", "not json"}}, "from transformers import AutoModel\n"},
      {{}, "from transformers import AutoModel\n"},
      {{{"adapter_config.json", R"({"task_type": "SEQ_CLS"})"}, {"tokenizer.json", "{}"}},
       "from peft import AutoPeftModelForSequenceClassification\n"
       "from transformers import AutoTokenizer\n"},
      {{{"adapter_config.json", R"({"task_type": null})"}}, "from peft import AutoPeftModel\n"},
  };
  for (const Row& row : rows) EXPECT_THAT(card_of(row.files, context()), HasSubstr(row.line));

  FixContext elsewhere = context();
  elsewhere.endpoint = "http://127.0.0.1:8080";
  elsewhere.revision = "a\"b";
  const std::string card = card_of({{"config.json", kCausal}}, elsewhere);
  EXPECT_THAT(card,
              HasSubstr("# Set HF_ENDPOINT=http://127.0.0.1:8080 in the environment first.\n"));
  EXPECT_THAT(card, HasSubstr("revision=\"a\\\"b\")\n"));
}

TEST(Card, SaysHowToCloneWhereNothingElseLoads) {
  FixContext plain = context();
  plain.endpoint = "https://git.example";
  plain.page = plain.clone_url = "https://git.example/a'b/c.git";
  plain.revision = "step-1";
  const std::string card = card_of({{"config.json", kCausal}}, plain);
  EXPECT_THAT(card, HasSubstr("git clone --branch 'step-1' 'https://git.example/a'\\''b/c.git' "
                              "model\n"));
  EXPECT_THAT(card, HasSubstr("AutoModelForCausalLM.from_pretrained(\"model\")\n"));
  EXPECT_THAT(card, HasSubstr("url: https://git.example/a'b/c.git\n"));
  EXPECT_THAT(card, Not(HasSubstr("HF_ENDPOINT")));
}

}  // namespace
}  // namespace hubrev
