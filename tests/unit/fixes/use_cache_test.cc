#include <gtest/gtest.h>

#include "tests/unit/fixes/snapshots.h"

namespace hubrev {
namespace {

using testing::edited;
using testing::Files;
using testing::snapshot_of;

TEST(UseCache, TurnsOnlyFalseIntoTrue) {
  struct Row {
    std::string before;
    std::string after;  // "" where nothing changes
  };
  const Row rows[] = {
      {"{\n  \"use_cache\": false,\n  \"x\": NaN\n}\n",
       "{\n  \"use_cache\": true,\n  \"x\": NaN\n}\n"},
      {"{\"use_cache\": true}", ""},
      {"{\"use_cache\": null}", ""},
      {"{\"use_cache\": \"false\"}", ""},
      {"{\"use_cache\": 0}", ""},
      {"{}", ""},
      {"{\"text_config\": {\"use_cache\": false}}", "{\"text_config\": {\"use_cache\": true}}"},
      {"{\"decoder\":{\"use_cache\":false}}", "{\"decoder\":{\"use_cache\":true}}"},
      {"{\"thinker_config\": {\"text_config\": {\"use_cache\": false}}}",
       "{\"thinker_config\": {\"text_config\": {\"use_cache\": true}}}"},
      {"{\"llm_config\": {\"use_cache\": false}, \"use_cache\": false}",
       "{\"llm_config\": {\"use_cache\": true}, \"use_cache\": true}"},
      {"{\"task_specific_params\": {\"use_cache\": false}}", ""},
      {"{\"layers\": [{\"use_cache\": false}]}", ""},
      {"{\"use_cache\": false, \"use_cache\": true}", ""},
      {"{\"use_cache\": true, \"use_cache\": false}", "{\"use_cache\": true, \"use_cache\": true}"},
      {"{\"a_config\": {\"use_cache\": false}, \"a_config\": {}}", ""},
  };
  for (const Row& row : rows) {
    for (const char* path : {"config.json", "generation_config.json"}) {
      const auto edit = fix_use_cache(snapshot_of({{path, row.before}}), {});
      ASSERT_TRUE(edit.ok()) << row.before;
      EXPECT_EQ(edited(*edit, path), row.after) << row.before;
      EXPECT_EQ(edit->outcome, row.after.empty() ? FixOutcome::kUnchanged : FixOutcome::kApplied);
    }
  }
}

TEST(UseCache, SaysWhatChanged) {
  const auto edit = fix_use_cache(
      snapshot_of({{"config.json", R"({"use_cache": false, "text_config": {"use_cache": false}})"},
                   {"generation_config.json", R"({"use_cache": false})"}}),
      {});
  ASSERT_TRUE(edit.ok());
  EXPECT_EQ(edit->detail,
            "config.json: text_config.use_cache false -> true; config.json: use_cache false -> "
            "true; generation_config.json: use_cache false -> true");
}

TEST(UseCache, OffReadsNothing) {
  FixContext context;
  context.use_cache = UseCachePolicy::kOff;
  const auto edit = fix_use_cache(snapshot_of({{"config.json", "{broken"}}), context);
  ASSERT_TRUE(edit.ok());
  EXPECT_EQ(edit->outcome, FixOutcome::kSkipped);
  EXPECT_TRUE(edit->entries.empty());
}

TEST(UseCache, ManyConfigurationsTakeLinearTime) {
  std::string text = "{\"use_cache\": false";
  for (int i = 0; i < 200'000; ++i) text += ",\"x" + std::to_string(i) + "_config\": {}";
  const auto edit = fix_use_cache(snapshot_of({{"config.json", text + "}"}}), {});
  ASSERT_TRUE(edit.ok());
  EXPECT_EQ(edit->outcome, FixOutcome::kApplied);
}

TEST(UseCache, DamagedOrOversizedConfigurationsAreInvalidInput) {
  struct Row {
    std::string bytes;
    std::string message;
  };
  const Row rows[] = {
      {"{\"use_cache\": fal",
       "config.json is not valid JSON at byte 14; the checkpoint is damaged: "
       "save it again"},
      {"[1]", "config.json is not a JSON object; the checkpoint is damaged: save it again"},
      {std::string((16u << 20) + 1, ' '), "config.json: larger than 16777216 bytes"},
  };
  for (const Row& row : rows) {
    const auto edit = fix_use_cache(snapshot_of({{"config.json", row.bytes}}), {});
    ASSERT_FALSE(edit.ok());
    EXPECT_EQ(edit.error().kind, ErrorKind::kInvalidInput);
    EXPECT_EQ(edit.error().message, row.message);
  }
}

}  // namespace
}  // namespace hubrev
