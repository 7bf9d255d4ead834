#include "plugin/types/settings.h"

#include <gmock/gmock.h>

#include <set>

namespace hubrev {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Settings, DefaultsAreValidAndTyped) {
  ASSERT_TRUE(check_settings(default_settings(), "defaults").ok());
  const auto parsed = parse_settings(json::object());
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  const Settings& s = parsed.value();
  EXPECT_EQ(s.endpoint, "https://huggingface.co");
  EXPECT_EQ(s.provider, ProviderChoice::kAuto);
  EXPECT_FALSE(s.private_repo.has_value());
  EXPECT_EQ(s.exists, ExistingRevision::kVerify);
  EXPECT_EQ(s.mode, Mode::kPush);
  EXPECT_EQ(s.selection.contents, Contents::kInference);
  EXPECT_EQ(s.eos, EosPolicy::kAlign);
  EXPECT_EQ(s.use_cache, UseCachePolicy::kRestore);
  EXPECT_EQ(s.card, CardPolicy::kComplete);
  EXPECT_EQ(s.max_shard_size, 2'000'000'000u);
  EXPECT_EQ(s.frozen_tensors, FrozenTensors::kShare);
  EXPECT_EQ(s.concurrency, 4u);
  EXPECT_EQ(s.priority, ThreadPriority::kLow);
  EXPECT_EQ(s.max_retries, 8);
  EXPECT_EQ(s.retry_max_delay, milliseconds(60'000));
  EXPECT_EQ(s.connect_timeout, milliseconds(10'000));
  EXPECT_EQ(s.stall_timeout, milliseconds(60'000));
}

TEST(Settings, EveryKeyReachesItsField) {
  const json given = {{"repo_id", "a/b"},         {"endpoint", "http://localhost:8080//"},
                      {"provider", "git"},        {"private", true},
                      {"revision", "run"},        {"revision_template", "x{step}"},
                      {"exists", "suffix"},       {"mode", "spool"},
                      {"contents", "full"},       {"eos", "replace"},
                      {"use_cache", "off"},       {"card", "off"},
                      {"max_shard_size", 5'000},  {"frozen_tensors", "off"},
                      {"tags", {"t1", "t2"}},     {"datasets", {"d"}},
                      {"base_model", "org/base"}, {"license", "mit"},
                      {"system_prompt", "Be"},    {"spool_dir", "/spool"},
                      {"concurrency", 64},        {"priority", "normal"},
                      {"max_retries", 0},         {"retry_max_delay", 0.5},
                      {"connect_timeout", 0.25},  {"stall_timeout", 1}};
  const auto parsed = parse_settings(given);
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  const Settings& s = parsed.value();
  EXPECT_EQ(s.repo_id, "a/b");
  EXPECT_EQ(s.endpoint, "http://localhost:8080");
  EXPECT_EQ(s.provider, ProviderChoice::kGit);
  EXPECT_EQ(s.private_repo, true);
  EXPECT_EQ(s.revision, "run");
  EXPECT_EQ(s.revision_template, "x{step}");
  EXPECT_EQ(s.exists, ExistingRevision::kSuffix);
  EXPECT_EQ(s.mode, Mode::kSpool);
  EXPECT_EQ(s.selection.contents, Contents::kFull);
  EXPECT_EQ(s.eos, EosPolicy::kReplace);
  EXPECT_EQ(s.use_cache, UseCachePolicy::kOff);
  EXPECT_EQ(s.card, CardPolicy::kOff);
  EXPECT_EQ(s.max_shard_size, 5'000u);
  EXPECT_EQ(s.frozen_tensors, FrozenTensors::kOff);
  EXPECT_THAT(s.tags, ElementsAre("t1", "t2"));
  EXPECT_THAT(s.datasets, ElementsAre("d"));
  EXPECT_EQ(s.base_model, "org/base");
  EXPECT_EQ(s.license, "mit");
  EXPECT_EQ(s.system_prompt, "Be");
  EXPECT_EQ(s.spool_dir, "/spool");
  EXPECT_EQ(s.concurrency, 64u);
  EXPECT_EQ(s.priority, ThreadPriority::kNormal);
  EXPECT_EQ(s.max_retries, 0);
  EXPECT_EQ(s.retry_max_delay, milliseconds(500));
  EXPECT_EQ(s.connect_timeout, milliseconds(250));
  EXPECT_EQ(s.stall_timeout, milliseconds(1000));
}

TEST(Settings, RefusesAndSaysWhy) {
  struct Row {
    json settings;
    const char* says;
  };
  const Row rows[] = {
      {json::array(), "must be a JSON object"},
      {json("x"), "must be a JSON object"},
      {{{"spool_dri", "x"}}, "did you mean 'spool_dir'"},
      {{{"concurency", 2}}, "did you mean 'concurrency'"},
      {{{"repo", "a/b"}}, "did you mean 'repo_id'"},
      {{{"max_shard", 1}}, "did you mean 'max_shard_size'"},
      {{{"", 1}}, "unknown setting ''"},
      {{{"token", "hf_x"}}, "HF_TOKEN"},
      {{{"hub_token", "hf_x"}}, "HF_TOKEN"},
      {{{"repo_id", 7}}, "'repo_id' must be string, not 7"},
      {{{"mode", "offline"}}, "'mode' must be"},
      {{{"mode", 1}}, "'mode' must be string"},
      {{{"concurrency", 2.0}}, "'concurrency' must be integer"},
      {{{"concurrency", true}}, "'concurrency' must be integer"},
      {{{"concurrency", 0}}, "between 1 and 64"},
      {{{"concurrency", 65}}, "between 1 and 64"},
      {{{"concurrency", -1}}, "between 1 and 64"},
      {{{"max_retries", 101}}, "between 0 and 100"},
      {{{"retry_max_delay", -0.1}}, "between 0 and 3600"},
      {{{"connect_timeout", 0}}, "between 0.1 and 3600"},
      {{{"stall_timeout", "60"}}, "'stall_timeout' must be number"},
      {{{"private", "true"}}, "'private' must be boolean, null"},
      {{{"tags", "t"}}, "'tags' must be a list of strings"},
      {{{"tags", {"t", 1}}}, "'tags' must be a list of strings"},
      {{{"eos", "Align"}}, "one of align, replace, off"},
      {{{"contents", ""}}, "one of inference, full"},
      {{{"repo_id", nullptr}}, "'repo_id' must be string, not null"},
      {{{"license", "caf\xE9"}, {"eos", "\xFF"}}, "'eos' must be one of"},
  };
  for (const Row& row : rows) {
    const Status status = check_settings(row.settings, "configs/x.json");
    ASSERT_FALSE(status.ok()) << row.says;
    EXPECT_EQ(status.error().kind, ErrorKind::kConfig);
    EXPECT_THAT(status.error().message, AllOf(HasSubstr("configs/x.json: "), HasSubstr(row.says)));
    EXPECT_EQ(parse_settings(row.settings).error().kind, ErrorKind::kConfig);
  }
}

TEST(Settings, ATokensValueIsNotRepeated) {
  const Status status = check_settings({{"token", "hf_verysecret"}}, "file");
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message.find("verysecret"), std::string::npos);
}

TEST(Settings, EndpointsAreChecked) {
  const char* const refused[] = {
      "",
      "huggingface.co",
      "ftp://x",
      "file://x",
      "https://user:pw@x",
      "ftp://user:pw@x",
      "user:pw@x",
      "https://x?token=pw",
      "https://x/y#pw",
      "https://x/a pw",
      " https://x",
      "https://x\n",
      "https://x\tpw",
      "https://x\x7F",
      "https://",
      "https:///",
      "https:///pw",
      "http://:8080",
      "https://?pw",
  };
  for (const char* endpoint : refused) {
    const auto parsed = parse_settings({{"endpoint", endpoint}});
    ASSERT_FALSE(parsed.ok()) << endpoint;
    EXPECT_EQ(parsed.error().kind, ErrorKind::kConfig);
    EXPECT_THAT(parsed.error().message, HasSubstr("'endpoint'"));
    EXPECT_EQ(parsed.error().message.find("pw"), std::string::npos) << parsed.error().message;
  }
  const std::pair<const char*, const char*> taken[] = {
      {"https://hub.example/prefix//", "https://hub.example/prefix"},
      {"http://[::1]:8080", "http://[::1]:8080"},
      {"https://127.0.0.1", "https://127.0.0.1"},
      {"file:///models/", "file:///models"},
      {"file:///", "file:///"},
  };
  for (const auto& [endpoint, kept] : taken) {
    const auto parsed = parse_settings({{"endpoint", endpoint}});
    ASSERT_TRUE(parsed.ok()) << endpoint << ": " << parsed.error().message;
    EXPECT_EQ(parsed->endpoint, kept);
  }
  EXPECT_EQ(parse_settings({{"repo_id", "a/b/c"}}).error().kind, ErrorKind::kConfig);
}

TEST(Settings, ShardSizes) {
  struct Row {
    json size;
    std::uint64_t bytes;  // 0: refused
  };
  const Row rows[] = {
      {"4.5GB", 4'500'000'000},
      {"5GiB", 5'368'709'120},
      {"1KiB", 1024},
      {"10 MB", 10'000'000},
      {"0.5MiB", 524'288},
      {"2KB", 2'000},
      {"2048B", 2'048},
      {"2048", 2'048},
      {"1e4", 10'000},
      {1024, 1024},
      {50'000'000'000, 50'000'000'000},
      {1023, 0},
      {0, 0},
      {-5, 0},
      {"", 0},
      {"GB", 0},
      {"4.5gb", 0},
      {"4,5GB", 0},
      {"-1GB", 0},
      {"1TB", 0},
      {"inf", 0},
      {"nan", 0},
      {"1e30GB", 0},
      {" 5GB", 0},
      {"5GB GB", 0},
  };
  for (const Row& row : rows) {
    const auto parsed = parse_settings({{"max_shard_size", row.size}});
    ASSERT_EQ(parsed.ok(), row.bytes != 0) << row.size;
    if (parsed.ok()) {
      EXPECT_EQ(parsed.value().max_shard_size, row.bytes) << row.size;
    } else {
      EXPECT_THAT(parsed.error().message, HasSubstr("'max_shard_size'"));
    }
  }
}

TEST(Settings, TheSchemaDescribesEveryKeyItHas) {
  const json schema = json::parse(settings_schema());
  EXPECT_EQ(schema.at("additionalProperties"), false);
  for (const auto& [key, rule] : schema.at("properties").items()) {
    EXPECT_FALSE(rule.at("description").get<std::string>().empty()) << key;
    EXPECT_TRUE(rule.contains("default")) << key;
    EXPECT_TRUE(rule.contains("type")) << key;
    EXPECT_EQ(rule.contains("minimum"), rule.contains("maximum")) << key;  // messages name both
  }
}

}  // namespace
}  // namespace hubrev
