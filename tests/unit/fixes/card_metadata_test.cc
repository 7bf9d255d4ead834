#include "plugin/fixes/card_metadata.h"

#include <gtest/gtest.h>

namespace hubrev {
namespace {

ModelFacts facts(const std::string& base_model = "") {
  ModelFacts value;
  value.framework = "transformers";
  value.base_model = base_model;
  return value;
}

TEST(CardMetadata, ModelIds) {
  for (const char* id :
       {"org/name", "gpt2", "bert-base-uncased", "a/b.c_d-1", "o/checkpoint-best"}) {
    EXPECT_TRUE(is_model_id(id)) << id;
  }
  for (const char* path :
       {"", "/data/model", "./model", "../model", "~/model", "a/b/c", "C:\\model", "a\\b", "model/",
        "org/checkpoint-500", "checkpoint-500", "a b", "org/x.git", "-a/b", "a--b"}) {
    EXPECT_FALSE(is_model_id(path)) << path;
  }
}

TEST(CardMetadata, RepairsWhatTheHubRefuses) {
  struct Row {
    std::string before;
    std::string after;  // in front of what every card gets
    std::vector<std::string> warnings;
  };
  const std::string rest = "library_name: transformers\ntags:\n- hub-revisions\n";
  const Row rows[] = {
      {"license: mit\n", "license: mit\n" + rest, {}},
      {"licence: license\n", rest, {}},
      {"licence: mit\n", "licence: mit\n" + rest, {}},
      {"language: no\n", "language: \"no\"\n" + rest, {}},
      {"license: 1.0\n", "license: \"1.0\"\n" + rest, {}},
      {"license: {name: mit}\n", rest, {"README.md: 'license' held no text; left out"}},
      {"pipeline_tag: [a, b]\n", rest, {"README.md: 'pipeline_tag' held no text; left out"}},
      {"license: null\ndatasets: []\n", rest, {}},
      {"language: [en, {a: b}, 1]\n", "language:\n- en\n- \"1\"\n" + rest, {}},
      {"base_model: ./out\n", rest, {}},
      {"base_model: [org/a, /b, org/c]\n", "base_model:\n- org/a\n- org/c\n" + rest, {}},
      {"tags: mine\nlibrary_name: x\n", "tags:\n- mine\n- hub-revisions\nlibrary_name: x\n", {}},
      {"tags: ['base_model:adapter:/tmp/b', 'base_model:adapter:org/b', 'base_model:./b']\n",
       "tags:\n- base_model:adapter:org/b\n- hub-revisions\nlibrary_name: transformers\n",
       {}},
      {"tags: [a, a, hub-revisions]\nlibrary_name: x\n",
       "tags:\n- a\n- hub-revisions\nlibrary_name: x\n",
       {}},
      {"widget:\n- text: 'a: b'\n  count: 1\n",
       "widget:\n- text: \"a: b\"\n  count: 1\n" + rest,
       {}},
      {"model-index: no\n", rest, {"README.md: model-index is no list; replaced"}},
      {"model-index: [{name: m}]\n",
       rest,
       {"README.md: model-index has an entry without results; replaced"}},
      {"model-index: [{name: m, results: [{task: {type: t}}]}]\n",
       rest,
       {"README.md: model-index has a result without dataset.type and dataset.name; replaced"}},
      {"model-index: [{name: m, results: []}]\n",
       "model-index:\n- name: m\n  results: []\n" + rest,
       {}},
  };
  for (const Row& row : rows) {
    const CardMetadata card =
        complete_metadata(parse_yaml(row.before).value(), FixContext{}, facts());
    EXPECT_EQ(write_yaml(card.values), row.after) << row.before;
    EXPECT_EQ(card.warnings, row.warnings) << row.before;
    EXPECT_TRUE(check_metadata(card.values).ok()) << row.before;
  }
}

TEST(CardMetadata, KeepsOtherResults) {
  const std::string theirs =
      "model-index:\n- name: m\n  results:\n  - task:\n      type: t\n    dataset:\n      name: d\n"
      "      type: org/d\n    metrics:\n    - type: accuracy\n      value: 0.9\n";
  FixContext with;
  with.metrics = {{"eval_loss", 0.5}};
  const CardMetadata card = complete_metadata(parse_yaml(theirs).value(), with, facts());
  const YamlValue* results = card.values.find("model-index")->items.at(0).find("results");
  ASSERT_EQ(results->items.size(), 2u);
  EXPECT_EQ(results->items[0].find("dataset")->find("type")->text, "org/d");
  EXPECT_EQ(results->items[1].find("task")->find("type")->text, "other");
}

TEST(CardMetadata, BaseModelComesFromTheSettingThenTheFiles) {
  struct Row {
    std::string setting;
    std::string files;
    std::string expected;  // "" for none
    std::size_t warnings;
  };
  const Row rows[] = {{"org/a", "org/b", "org/a", 0}, {"", "org/b", "org/b", 0},
                      {"", "gpt2", "gpt2", 0},        {"", "/local/b", "", 0},
                      {"./a", "org/b", "org/b", 1},   {"", "", "", 0}};
  for (const Row& row : rows) {
    FixContext with;
    with.base_model = row.setting;
    const CardMetadata card = complete_metadata(YamlValue::map({}), with, facts(row.files));
    const YamlValue* base = card.values.find("base_model");
    EXPECT_EQ(base == nullptr ? "" : base->text, row.expected);
    EXPECT_EQ(card.warnings.size(), row.warnings);
  }
}

}  // namespace
}  // namespace hubrev
