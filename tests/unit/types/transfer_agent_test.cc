#include "plugin/types/transfer_agent.h"

#include <gmock/gmock.h>

#include "plugin/types/settings.h"

namespace hubrev {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

json agent(const char* name) {
  return {{"name", name}, {"command", {"program", "--option"}}};
}

TEST(TransferAgents, HaveDefaults) {
  const auto parsed = parse_settings({{"transfer_agents", {agent("git-xet")}}});
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  ASSERT_EQ(parsed->transfer_agents.size(), 1u);
  const TransferAgent& one = parsed->transfer_agents.front();
  EXPECT_EQ(one.name, "git-xet");
  EXPECT_THAT(one.command, ElementsAre("program", "--option"));
  EXPECT_TRUE(one.concurrent);
  EXPECT_FALSE(one.standalone);
  EXPECT_FALSE(one.keep_token);
  EXPECT_EQ(one.stall_timeout, std::chrono::minutes(10));
  EXPECT_TRUE(parse_settings(json::object())->transfer_agents.empty());
}

TEST(TransferAgents, EveryKeyReachesItsField) {
  json given = agent("a.B_1-c");
  given.update(
      {{"concurrent", false}, {"standalone", true}, {"keep_token", true}, {"stall_timeout", 1.5}});
  const auto parsed = parse_settings({{"transfer_agents", {given}}});
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  const TransferAgent& one = parsed->transfer_agents.front();
  EXPECT_FALSE(one.concurrent);
  EXPECT_TRUE(one.standalone);
  EXPECT_TRUE(one.keep_token);
  EXPECT_EQ(one.stall_timeout, std::chrono::milliseconds(1500));
}

TEST(TransferAgents, AreRefusedWithAReason) {
  const auto with = [](const char* key, json value) {
    json one = agent("x");
    one[key] = std::move(value);
    return json::array({one});
  };
  json standalone = agent("s");
  standalone["standalone"] = true;
  const std::pair<json, const char*> rows[] = {
      {"x", "'transfer_agents' must be a list of objects"},
      {{"x"}, "'transfer_agents' must be a list of objects"},
      {with("comand", 1), "'transfer_agents', item 1: unknown setting 'comand'; did you mean 'com"},
      {with("token", "t"), "unknown setting 'token'"},
      {with("command", "x --y"), "'command' must be a list of strings"},
      {with("command", json::array()), "has no 'command'"},
      {with("command", {""}), "has no 'command'"},
      {with("concurrent", 1), "'concurrent' must be boolean"},
      {with("stall_timeout", 0), "'stall_timeout' must be between 1 and 86400"},
      {with("name", ""), "letters, digits"},
      {with("name", "a b"), "letters, digits"},
      {with("name", "basic"), "not 'basic' or 'multipart'"},
      {with("name", "multipart"), "not 'basic' or 'multipart'"},
      {json::array({json{{"name", "x"}}}), "item 1: needs 'command'"},
      {json::array({agent("x"), json::object()}), "item 2: needs 'name'"},
      {json::array({agent("x"), agent("x")}), "'x' is there twice"},
      {json::array({agent("x"), standalone}), "must be the only one"},
      {json::array({standalone, agent("x")}), "must be the only one"},
  };
  for (const auto& [agents, says] : rows) {
    const auto parsed = parse_settings({{"transfer_agents", agents}});
    ASSERT_FALSE(parsed.ok()) << agents;
    EXPECT_EQ(parsed.error().kind, ErrorKind::kConfig);
    EXPECT_THAT(parsed.error().message, HasSubstr(says));
  }
}

TEST(MaxPutSize, IsASizeOrNone) {
  EXPECT_FALSE(parse_settings(json::object())->max_put_size.has_value());
  EXPECT_EQ(parse_settings({{"max_put_size", "2GB"}})->max_put_size, 2'000'000'000u);
  EXPECT_EQ(parse_settings({{"max_put_size", 1}})->max_put_size, 1u);
  EXPECT_THAT(parse_settings({{"max_put_size", "much"}}).error().message,
              HasSubstr("'max_put_size' must be a size of at least 1 bytes such as 5GiB"));
}

}  // namespace
}  // namespace hubrev
