#include <gtest/gtest.h>

#include "plugin/hub/hub_client.h"
#include "tests/unit/hub/hub_fixture.h"

namespace hubrev {
namespace {

using testing::respond;

class DetectProvider : public testing::HubFixture {};

TEST_F(DetectProvider, DetectsWhatItTalksTo) {
  struct Row {
    HttpResponse answer;
    Provider expected;
  };
  const Row rows[] = {
      {respond(200, R"({"type":"user","name":"ann"})"), Provider::kHub},
      {respond(401, R"({"error":"Invalid username or password."})"), Provider::kHub},
      {respond(401, "", {{"x-error-message", "Invalid credentials"}}), Provider::kHub},
      {respond(401, "no JSON", {{"x-error-code", "RepoNotFound"}}), Provider::kHub},
      {respond(404, "<html>Not found</html>"), Provider::kGit},
      {respond(404, R"({"error":"404 Not Found"})"), Provider::kGit},
      {respond(404, R"({"name":"x"})"), Provider::kGit},
      {respond(405), Provider::kGit},
      {respond(410), Provider::kGit},
      {respond(401, "<html>Log in</html>"), Provider::kGit},
      {respond(401, "Unauthorized\n", {{"www-authenticate", "Basic"}}), Provider::kGit},
      {respond(401, ""), Provider::kGit},
  };
  for (const Row& row : rows) {
    answer({row.answer});
    const auto provider = detect_provider(hub_, token());
    ASSERT_TRUE(provider.ok()) << row.answer.status << row.answer.body;
    EXPECT_EQ(*provider, row.expected) << row.answer.status << row.answer.body;
  }
  hub_.token = Secret();
  EXPECT_TRUE(detect_provider(hub_, token()).ok());
  EXPECT_FALSE(http_.seen().back().authorized);
}

TEST_F(DetectProvider, TakesNobodyElseForAGitServer) {
  const HttpResponse rows[] = {
      respond(200, "<html>Log in</html>"),
      respond(200, R"({"error":"x"})"),
      respond(200, ""),
      respond(204),
      respond(302, ""),
      respond(400, "Bad Request"),
      respond(401, R"({"message":"authentication required"})"),
      respond(401, "Unauthorized", {{"x-request-id", "abc"}}),
      respond(402),
      respond(403, "<html>Blocked by the proxy</html>"),
      respond(403, R"({"error":"x"})"),
      respond(407),
      respond(501),
  };
  for (const HttpResponse& row : rows) {
    answer({row});
    expect_error(status_of(detect_provider(hub_, token())), ErrorKind::kRejected,
                 {"the answer of https://hub.example is neither a Hub's nor a git server's",
                  ("answered " + std::to_string(row.status)).c_str(), "'endpoint'", "'provider'"});
  }
}

}  // namespace
}  // namespace hubrev
