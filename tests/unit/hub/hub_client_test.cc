#include "plugin/hub/hub_client.h"

#include <gtest/gtest.h>

#include <deque>
#include <nlohmann/json.hpp>

#include "tests/support/fake_clock.h"
#include "tests/support/fake_http.h"

namespace hubrev {
namespace {

using nlohmann::json;
using testing::FakeClock;
using testing::FakeHttp;
using testing::respond;
using testing::SeenRequest;

class HubClient : public ::testing::Test {
 protected:
  HubClient()
      : http_([this](const SeenRequest&) -> Result<HttpResponse> {
          if (answers_.empty()) return last_;
          auto next = std::move(answers_.front());
          answers_.pop_front();
          return next;
        }) {
    hub_.retry.policy.max_retries = 3;
  }

  // The next answers; the last one is repeated.
  void answer(std::deque<Result<HttpResponse>> answers) {
    last_ = answers.back();
    answers_ = std::move(answers);
  }
  std::size_t requests() const { return http_.seen().size(); }
  static HttpResponse with_code(int status, const std::string& code) {
    return respond(status, R"({"error":"Repository not found"})", {{"x-error-code", code}});
  }
  static void expect_error(const Status& status, ErrorKind kind,
                           std::initializer_list<const char*> words) {
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().kind, kind) << status.error().message;
    for (const char* word : words) {
      EXPECT_NE(status.error().message.find(word), std::string::npos) << status.error().message;
    }
    EXPECT_EQ(status.error().message.find("hf_secret"), std::string::npos);
  }
  template <typename T>
  static Status status_of(const Result<T>& result) {
    return result.ok() ? Status() : Status(result.error());
  }

  // Every remote call, and an answer that it takes for a success.
  struct Call {
    const char* name;
    std::function<Status()> run;
    HttpResponse success;
  };
  std::vector<Call> calls() {
    return {
        {"whoami", [&] { return status_of(whoami(hub_, token())); },
         respond(200, R"({"name":"ann"})")},
        {"create",
         [&] { return create_repository(hub_, "o/m", Visibility::kServerDefault, token()); },
         respond(200, "{}")},
        {"access", [&] { return check_write_access(hub_, "o/m", token()); }, respond(200)},
        {"resolve", [&] { return status_of(resolve_revision(hub_, "o/m", "step-1", token())); },
         respond(200, json{{"sha", kCommit}}.dump())},
        {"detect", [&] { return status_of(detect_provider(hub_, token())); }, respond(404)},
        {"card", [&] { return status_of(validate_card(hub_, "---\n", token())); },
         respond(200, "{}")},
    };
  }
  std::stop_token token() const { return stop_.get_token(); }

  static constexpr const char* kCommit = "0123456789abcdef0123456789abcdef01234567";
  std::deque<Result<HttpResponse>> answers_;
  Result<HttpResponse> last_ = respond(500);
  FakeHttp http_;
  FakeClock clock_;
  std::stop_source stop_;
  HubConnection hub_{&http_, {&clock_, {}, {}}, "https://hub.example", Secret("hf_secret")};
};

TEST_F(HubClient, EveryCallSurvivesTransients) {
  const Result<HttpResponse> transients[] = {respond(500), respond(504), respond(408), respond(429),
                                             make_error(ErrorKind::kNetwork, "reset")};
  for (const Call& call : calls()) {
    for (const auto& transient : transients) {
      const std::size_t before = requests();
      answer({transient, transient, transient, call.success});
      EXPECT_TRUE(call.run().ok()) << call.name;
      EXPECT_EQ(requests() - before, 4u) << call.name;
    }
  }
}

TEST_F(HubClient, EveryCallGivesUpAfterTheLastRetry) {
  for (const Call& call : calls()) {
    const std::size_t before = requests();
    answer({respond(503)});
    expect_error(call.run(), ErrorKind::kServer, {"gave up after 4 attempts"});
    EXPECT_EQ(requests() - before, 4u) << call.name;
  }
}

TEST_F(HubClient, NoCallRepeatsWhatIsPermanent) {
  for (const Call& call : calls()) {
    if (std::string(call.name) == "detect") continue;  // it has words of its own
    const std::size_t before = requests();
    answer({respond(400, R"({"error":"the server's words"})")});
    expect_error(call.run(), ErrorKind::kRejected, {"the server's words"});
    EXPECT_EQ(requests() - before, 1u) << call.name;
  }
  EXPECT_TRUE(clock_.sleeps().empty());
}

TEST_F(HubClient, AnEndpointThatDoesNotAnswerIsNamedWithTheSettingToCheck) {
  for (const Call& call : calls()) {
    for (const ErrorKind kind : {ErrorKind::kNetwork, ErrorKind::kTimeout}) {
      answer({make_error(kind, "no answer from hub.example: could not resolve host")});
      expect_error(
          call.run(), kind,
          {"cannot reach https://hub.example", "could not resolve", "'endpoint' or HF_ENDPOINT"});
    }
  }
}

TEST_F(HubClient, CancelledTouchesNothing) {
  stop_.request_stop();
  for (const Call& call : calls()) expect_error(call.run(), ErrorKind::kCancelled, {});
  EXPECT_EQ(requests(), 0u);
}

TEST_F(HubClient, SaysThatTheTokenIsMissingBeforeAnyCall) {
  hub_.token = Secret();
  expect_error(status_of(whoami(hub_, token())), ErrorKind::kAuth,
               {"no token for hub.example", "HF_TOKEN"});
  expect_error(create_repository(hub_, "o/m", Visibility::kPublic, token()), ErrorKind::kAuth,
               {"HF_TOKEN"});
  expect_error(check_write_access(hub_, "o/m", token()), ErrorKind::kAuth, {"HF_TOKEN"});
  EXPECT_EQ(requests(), 0u);
}

TEST_F(HubClient, ARefusedTokenIsSaidSo) {
  answer({respond(401, "", {{"x-error-message", "Invalid credentials in Authorization header"}})});
  for (const Call& call : calls()) {
    if (std::string(call.name) == "detect") continue;
    expect_error(call.run(), ErrorKind::kAuth,
                 {"the token was refused by hub.example", "HF_TOKEN", "write access",
                  "Invalid credentials"});
  }
}

TEST_F(HubClient, WhoamiReadsNameRoleAndOrganizations) {
  answer({respond(200, R"({"type":"user","name":"ann","orgs":[{"name":"lab"},{"x":1},7],
                           "auth":{"type":"access_token","accessToken":{"role":"write"}}})")});
  const auto identity = whoami(hub_, token());
  ASSERT_TRUE(identity.ok());
  EXPECT_EQ(identity->name, "ann");
  EXPECT_EQ(identity->role, "write");
  EXPECT_EQ(identity->organizations, std::vector<std::string>{"lab"});
  EXPECT_EQ(http_.seen().at(0).url, "https://hub.example/api/whoami-v2");
  EXPECT_TRUE(http_.seen().at(0).authorized);
}

TEST_F(HubClient, WhoamiSurvivesOddAnswers) {
  answer({respond(200, R"({"name":"ann","orgs":{},"auth":{"accessToken":{"role":7}}})")});
  const auto identity = whoami(hub_, token());
  ASSERT_TRUE(identity.ok());
  EXPECT_EQ(identity->role, "");
  for (const char* body : {"", "<html>", "[]", "null", "{}", R"({"name":7})", "[[[["}) {
    answer({respond(200, body)});
    expect_error(status_of(whoami(hub_, token())), ErrorKind::kRejected,
                 {"not one of a Hub", "'endpoint'"});
  }
}

TEST_F(HubClient, OnlyTheRoleReadIsRefusedBeforehand) {
  for (const char* role : {"", "write", "fineGrained", "admin", "contributor", "Read", "reader"}) {
    EXPECT_TRUE(check_role({"ann", role, {}}, "o/m").ok()) << role;
  }
  expect_error(check_role({"ann", "read", {}}, "o/m"), ErrorKind::kAuth,
               {"may not write to o/m", "use a token with write access"});
}

TEST_F(HubClient, CreateSendsWhatTheHubWants) {
  struct Row {
    const char* repo_id;
    Visibility visibility;
    json expected;
  };
  const Row rows[] = {
      {"o/m",
       Visibility::kServerDefault,
       {{"name", "m"}, {"organization", "o"}, {"type", "model"}}},
      {"o/m",
       Visibility::kPrivate,
       {{"name", "m"}, {"organization", "o"}, {"type", "model"}, {"visibility", "private"}}},
      {"m",
       Visibility::kPublic,
       {{"name", "m"}, {"organization", nullptr}, {"type", "model"}, {"visibility", "public"}}},
  };
  answer({respond(200, R"({"url":"https://hub.example/o/m"})")});
  for (const Row& row : rows) {
    ASSERT_TRUE(create_repository(hub_, row.repo_id, row.visibility, token()).ok());
    const SeenRequest seen = http_.seen().back();
    EXPECT_EQ(seen.method + " " + seen.url, "POST https://hub.example/api/repos/create");
    EXPECT_EQ(json::parse(seen.body), row.expected);
    EXPECT_TRUE(seen.authorized);
  }
}

TEST_F(HubClient, CreateTakesARepositoryThatIsThere) {
  answer(
      {respond(409, R"({"error":"You already created this model repo","url":"https://h/o/m"})")});
  EXPECT_TRUE(create_repository(hub_, "o/m", Visibility::kPrivate, token()).ok());
  EXPECT_EQ(requests(), 1u);
}

TEST_F(HubClient, CreateWaitsForTheLockOfAnotherCreate) {
  const HttpResponse lock =
      respond(409, R"({"error":"Cannot create: another conflicting operation is in progress"})");
  answer({lock, lock, respond(200, "{}")});
  EXPECT_TRUE(create_repository(hub_, "o/m", Visibility::kPrivate, token()).ok());
  EXPECT_EQ(requests(), 3u);
  EXPECT_EQ(clock_.sleeps().size(), 2u);
  answer({lock});
  expect_error(create_repository(hub_, "o/m", Visibility::kPrivate, token()), ErrorKind::kServer,
               {"conflicting operation", "gave up"});
}

TEST_F(HubClient, CreateWithoutTheRightIsFineWhereTheRepositoryIsVisible) {
  for (const int status : {401, 402, 403}) {
    answer({respond(status, R"({"error":"words"})"), respond(200, "{}")});
    EXPECT_TRUE(create_repository(hub_, "o/m", Visibility::kPrivate, token()).ok()) << status;
    EXPECT_EQ(http_.seen().back().method + " " + http_.seen().back().url,
              "GET https://hub.example/api/models/o/m");

    answer({respond(status, R"({"error":"words"})"), with_code(404, "RepoNotFound")});
    const Status refused = create_repository(hub_, "o/m", Visibility::kPrivate, token());
    expect_error(refused, status == 402 ? ErrorKind::kRejected : ErrorKind::kAuth, {"words"});
    if (status == 403) expect_error(refused, ErrorKind::kAuth, {"may not write to o/m"});
  }
}

TEST_F(HubClient, CreateOfAnInvalidNameKeepsTheServersWords) {
  answer({respond(400, R"({"error":"Invalid repo name: m--m"})")});
  expect_error(create_repository(hub_, "o/m--m", Visibility::kPrivate, token()),
               ErrorKind::kRejected, {"creating repository o/m--m", "Invalid repo name: m--m"});
}

TEST_F(HubClient, CreateWhereThereIsNoHub) {
  answer({respond(404, "<html>")});
  expect_error(create_repository(hub_, "o/m", Visibility::kPrivate, token()), ErrorKind::kNotFound,
               {"cannot create o/m on hub.example", "'endpoint'"});
}

TEST_F(HubClient, WriteAccess) {
  answer({respond(200)});
  EXPECT_TRUE(check_write_access(hub_, "o/m", token()).ok());
  EXPECT_EQ(http_.seen().back().method + " " + http_.seen().back().url,
            "GET https://hub.example/api/models/o/m/auth-check/write");
  answer({respond(403, R"({"error":"Forbidden"})")});
  expect_error(check_write_access(hub_, "o/m", token()), ErrorKind::kAuth,
               {"may not write to o/m", "use a token with write access", "Forbidden"});
  answer({with_code(404, "RepoNotFound")});
  expect_error(check_write_access(hub_, "o/m", token()), ErrorKind::kNotFound,
               {"no repository o/m on hub.example", "'repo_id'"});
  answer({respond(404, "not found")});
  EXPECT_TRUE(check_write_access(hub_, "o/m", token()).ok()) << "a server without this route";
}

TEST_F(HubClient, ResolvesARevision) {
  answer({respond(200, json{{"sha", kCommit}, {"id", "o/m"}}.dump())});
  const auto commit = resolve_revision(hub_, "o/m", "feature/x#1", token());
  ASSERT_TRUE(commit.ok());
  ASSERT_TRUE(*commit);
  EXPECT_EQ((*commit)->hex(), kCommit);
  EXPECT_EQ(http_.seen().back().url, "https://hub.example/api/models/o/m/revision/feature%2Fx%231");
}

TEST_F(HubClient, ARevisionThatIsNotThereIsNoError) {
  for (const HttpResponse& missing : {with_code(404, "RevisionNotFound"), respond(404, "{}")}) {
    answer({missing});
    const auto commit = resolve_revision(hub_, "o/m", "x", token());
    ASSERT_TRUE(commit.ok());
    EXPECT_FALSE(*commit);
  }
}

TEST_F(HubClient, ResolveFailures) {
  const auto resolve = [&] { return status_of(resolve_revision(hub_, "o/m", "x", token())); };
  answer({with_code(404, "RepoNotFound")});
  expect_error(resolve(), ErrorKind::kNotFound, {"no repository o/m"});
  answer({respond(403, R"({"error":"gated"})")});
  expect_error(resolve(), ErrorKind::kAuth, {"resolving revision x of o/m", "gated"});
  for (const char* body : {"", "{}", R"({"sha":7})", R"({"sha":"abc"})", "[]"}) {
    answer({respond(200, body)});
    expect_error(resolve(), ErrorKind::kRejected, {"not one of a Hub"});
  }
  hub_.token = Secret();
  answer({respond(401, R"({"error":"Invalid username or password."})")});
  expect_error(resolve(), ErrorKind::kAuth, {"o/m is private or not there", "HF_TOKEN"});
  EXPECT_FALSE(http_.seen().back().authorized);
}

TEST_F(HubClient, DetectsWhatItTalksTo) {
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

TEST_F(HubClient, TakesNobodyElseForAGitServer) {
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
                  ("status " + std::to_string(row.status)).c_str(), "'endpoint'", "'provider'"});
  }
}

TEST_F(HubClient, ARefusedConnectionKeepsItsRemedy) {
  for (const Call& call : calls()) {
    const std::size_t before = requests();
    answer({make_error(ErrorKind::kRejected, "self-signed; set REQUESTS_CA_BUNDLE")});
    expect_error(call.run(), ErrorKind::kRejected,
                 {"cannot talk to https://hub.example", "self-signed", "REQUESTS_CA_BUNDLE"});
    EXPECT_EQ(requests() - before, 1u) << call.name;
  }
}

TEST_F(HubClient, ValidatesACard) {
  answer({respond(200, R"({"errors":[],"warnings":[{"message":"no license"},{"x":1},"plain"]})")});
  const auto warnings = validate_card(hub_, "---\nx: \xFF\n---\n", token());
  ASSERT_TRUE(warnings.ok());
  EXPECT_EQ(*warnings, (std::vector<std::string>{"no license", "plain"}));
  const SeenRequest seen = http_.seen().back();
  EXPECT_EQ(seen.method + " " + seen.url, "POST https://hub.example/api/validate-yaml");
  EXPECT_EQ(json::parse(seen.body)["repoType"], "model");

  answer({respond(400, R"({"errors":[{"message":"\"license\" is odd"},{"message":"and more"}]})")});
  expect_error(status_of(validate_card(hub_, "x", token())), ErrorKind::kRejected,
               {"README.md", "\"license\" is odd; and more"});
  answer({respond(200, R"({"errors":[{"message":"bad"}]})")});
  expect_error(status_of(validate_card(hub_, "x", token())), ErrorKind::kRejected, {"bad"});
  for (const HttpResponse& silent : {respond(404), respond(200, "<html>"), respond(200, "{}")}) {
    answer({silent});
    const auto none = validate_card(hub_, "x", token());
    ASSERT_TRUE(none.ok());
    EXPECT_TRUE(none->empty());
  }
}

}  // namespace
}  // namespace hubrev
