#include "plugin/hub/hub_client.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/hub/hub_fixture.h"

namespace hubrev {
namespace {

using nlohmann::json;
using testing::HubFixture;
using testing::respond;
using testing::SeenRequest;

class HubClient : public HubFixture {};

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
  // As hfd says it.
  answer({respond(200, R"({"url":"https://h/o/m"})")});
  EXPECT_TRUE(create_repository(hub_, "o/m", Visibility::kPrivate, token()).ok());
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
