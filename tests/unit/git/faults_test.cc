// What a network, a proxy and a hostile server do to the three calls.
#include <gtest/gtest.h>

#include "tests/unit/git/git_server.h"

namespace hubrev::testing {
namespace {

constexpr const char* kRef = "refs/heads/step-10";
constexpr const char* kAdvertisement = "application/x-git-receive-pack-advertisement";
constexpr const char* kResult = "application/x-git-receive-pack-result";

struct StatusRow {
  int status;
  ErrorKind kind;
  bool retried;
};
const StatusRow kStatuses[] = {
    {401, ErrorKind::kAuth, false},       {403, ErrorKind::kAuth, false},
    {404, ErrorKind::kNotFound, false},   {413, ErrorKind::kRejected, false},
    {429, ErrorKind::kRateLimited, true}, {500, ErrorKind::kServer, true},
    {502, ErrorKind::kServer, true},
};

TEST(Faults, ErrorStatusesKeepTheServersWords) {
  for (const bool on_post : {false, true}) {
    for (const StatusRow& row : kStatuses) {
      World world;
      world.before = [&](const SeenRequest& request,
                         std::size_t) -> std::optional<Result<HttpResponse>> {
        if (is_post(request) != on_post) return std::nullopt;
        return respond(row.status, R"({"error":"words of the server"})",
                       {{"x-request-id", "Root=1-abc"}});
      };
      const auto outcome = world.push(world.commit("x"), kRef);
      ASSERT_FALSE(outcome.ok());
      const Error& error = outcome.error();
      EXPECT_EQ(error.kind, row.kind) << row.status << " " << error.message;
      EXPECT_EQ(error.http_status, row.status);
      EXPECT_EQ(error.request_id, "Root=1-abc");
      EXPECT_NE(error.message.find("pushing to http://hub.test/team/model"), std::string::npos);
      EXPECT_NE(error.message.find("words of the server"), std::string::npos) << error.message;
      EXPECT_EQ(world.clock.sleeps().size(), row.retried ? 3u : 0u) << row.status;
    }
  }
}

TEST(Faults, EveryCallRecoversFromAPassingFault) {
  const Result<HttpResponse> faults[] = {
      respond(503, ""),
      respond(429, "", {{"retry-after", "7"}}),
      make_error(ErrorKind::kNetwork, "reset"),
      make_error(ErrorKind::kTimeout, "stalled"),
  };
  for (const auto& fault : faults) {
    for (std::size_t number = 0; number < 2; ++number) {  // the GET, the POST
      World world;
      world.server.git("update-ref refs/heads/main " + world.server.foreign_commit("x"));
      world.before = [&](const SeenRequest&,
                         std::size_t count) -> std::optional<Result<HttpResponse>> {
        if (count == number) return fault;
        return std::nullopt;
      };
      const auto outcome = world.push(world.commit("x"), kRef);
      ASSERT_TRUE(outcome.ok()) << outcome.error().message;
      EXPECT_EQ(world.clock.sleeps().size(), 1u);
      world.count = 0;
      const Status fetched = fetch(world.repository, world.remote, {"refs/heads/main"}, {});
      ASSERT_TRUE(fetched.ok()) << fetched.error().message;
      EXPECT_EQ(world.clock.sleeps().size(), 2u);
      world.count = number;
      EXPECT_TRUE(list_refs(world.repository, world.remote, {}).ok());
      EXPECT_EQ(world.clock.sleeps().size(), 3u);
    }
  }
}

TEST(Faults, RetryAfterIsHonoured) {
  World world;
  world.before = [&](const SeenRequest& request,
                     std::size_t count) -> std::optional<Result<HttpResponse>> {
    if (count == 0) return respond(429, "", {{"retry-after", "41"}});
    if (is_post(request) && world.posts() == 1) return respond(429, "", {{"retry-after", "300"}});
    return std::nullopt;
  };
  ASSERT_TRUE(world.push(world.commit("x"), kRef).ok());
  const auto sleeps = world.clock.sleeps();
  ASSERT_EQ(sleeps.size(), 2u);
  EXPECT_GE(sleeps[0], std::chrono::seconds(41));
  EXPECT_GE(sleeps[1], std::chrono::seconds(300));
}

TEST(Faults, AWrongContentTypeIsNotGit) {
  for (const bool on_post : {false, true}) {
    World world;
    world.after = [&](Result<HttpResponse> response, const SeenRequest& request, std::size_t) {
      if (is_post(request) == on_post) response->headers = {{"content-type", "text/html"}};
      return response;
    };
    const auto outcome = world.push(world.commit("x"), kRef);
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.error().kind, ErrorKind::kRejected);
    EXPECT_NE(outcome.error().message.find("'text/html'"), std::string::npos);
  }
}

TEST(Faults, ContentTypeParametersAndCaseDoNotMatter) {
  World world;
  world.after = [](Result<HttpResponse> response, const SeenRequest&, std::size_t) {
    std::string& type = response->headers.front().second;
    type[0] = 'A';
    type += "; charset=utf-8";
    return response;
  };
  EXPECT_TRUE(world.push(world.commit("x"), kRef).ok());
}

TEST(Faults, AnAdvertisementCutAnywhereIsANetworkError) {
  World world;
  world.server.git("update-ref refs/heads/main " + world.server.foreign_commit("x"));
  world.remote.retry.policy.max_retries = 0;
  std::size_t keep = 0;
  std::size_t whole = 1;
  world.after = [&](Result<HttpResponse> response, const SeenRequest&, std::size_t) {
    whole = response->body.size();
    response->body.resize(keep);
    return response;
  };
  const GitId commit = world.commit("x");
  for (; keep < whole; keep += 7) {
    const auto outcome = world.push(commit, kRef);
    ASSERT_FALSE(outcome.ok()) << keep;
    EXPECT_EQ(outcome.error().kind, ErrorKind::kNetwork) << outcome.error().message;
  }
  EXPECT_EQ(world.posts(), 0u);
}

// Whatever the server sends instead of its answer, at every place: an Error, never a crash, and
// never a success that did not happen.
TEST(Faults, GarbageNeverCrashes) {
  const std::string id(40, 'a');
  const auto packet = [](const std::string& payload) {
    char length[5];
    std::snprintf(length, sizeof(length), "%04zx", payload.size() + 4);
    return length + payload;
  };
  const std::string one = "\x01";
  std::vector<std::string> bodies = {
      "",
      "0000",
      "00000000",
      "ffff",
      "zzzz",
      "0001",
      "0004",
      "000a",
      "<html>",
      std::string(70'000, '0'),
      std::string(70'000, '\0'),
      std::string(4096, '\xff'),
      "PACK",
      packet("NAK\n"),
      packet("ACK " + id + "\n"),
      packet("ACK"),
      packet("ACK " + id + " strange"),
      packet("NAK\n") + packet(one + "PACK") + "0000",
      packet("NAK\n") + packet(one + std::string("PACK\0\0\0\2\0\0\0\0", 12)) + "0000",
      packet("NAK\n") + packet(one + std::string("PACK\0\0\0\2\xff\xff\xff\xff", 12)) + "0000",
      packet(one + packet("unpack ok\n")) + "0000",
      packet(one + packet("unpack ok\n") + "0000") + "0000",
      packet(one + packet("unpack ok\n") + packet("ok refs/heads/other\n") + "0000") + "0000",
      packet(one + packet("unpack no\n") + packet("ng refs/heads/step-10 why\n") + "0000") + "0000",
      packet(one + packet("ng refs/heads/step-10")) + "0000",
      packet(one + packet("unpack ok\n") + packet("ng refs/heads/step-10 \n") + "0000") + "0000",
      packet(one + packet("ng  \n")) + "0000",
      packet(one + packet("ok")) + "0000",
      packet(one + "0fff") + packet(one + "x") + "0000",
      packet(one) + "0000",
      packet("\x02") +
          packet("\x03"
                 "fatal\n") +
          "0000",
      packet("unpack ok\n") + packet("ok refs/heads/other\n") + "0000",
      packet("ERR out of order") + "0000",
      packet("# service=git-receive-pack\n") + "0000" + packet("ERR closed") + "0000",
      packet("# service=git-receive-pack\n") + "0000" + packet("ok refs/heads/x") + "0000",
      packet("# service=git-receive-pack\n") + "0000" +
          packet(id + " HEAD" + '\0' + "symref symref= symref=HEAD symref=a:b:c\n") + "0000",
  };
  std::uint32_t state = 7;
  for (int i = 0; i < 60; ++i) {
    std::string noise = packet("# service=git-receive-pack\n") + "0000";
    if (i % 2 == 0) noise.clear();
    for (int j = 0; j < 40; ++j) {
      state = state * 1664525u + 1013904223u;
      noise += packet(std::string(1, static_cast<char>(state >> 28)) +
                      std::string((state >> 8) % 60 + 1, static_cast<char>(state >> 20)));
    }
    bodies.push_back(noise + "0000");
  }
  World world;
  world.server.git("update-ref refs/heads/main " + world.server.foreign_commit("x"));
  world.remote.retry.policy.max_retries = 0;
  const GitId commit = world.commit("x");
  for (const std::string& body : bodies) {
    for (const bool on_post : {false, true}) {
      world.before = [&](const SeenRequest& request,
                         std::size_t) -> std::optional<Result<HttpResponse>> {
        if (is_post(request) != on_post) return std::nullopt;
        std::string type = on_post ? kResult : kAdvertisement;
        std::string answer = body;
        if (request.url.find("upload-pack") != std::string::npos) {
          type.replace(type.find("receive"), 7, "upload");
          if (answer.starts_with("001f# service=git-receive")) {
            answer.replace(0, 25, "001e# service=git-upload");
          }
        }
        return respond(200, answer, {{"content-type", type}});
      };
      if (world.push(commit, kRef).ok()) {  // an odd advertisement need not hinder a push
        ASSERT_EQ(world.server.commit_of(kRef), commit.hex()) << body;
        world.server.git("update-ref -d " + std::string(kRef));
      }
      EXPECT_FALSE(fetch(world.repository, world.remote, {"refs/heads/main"}, {}).ok()) << body;
    }
  }
}

TEST(Faults, ACutPackIsRetried) {
  World world;
  const std::string commit = world.server.foreign_commit("x");
  world.server.git("update-ref refs/heads/main " + commit);
  world.after = [&](Result<HttpResponse> response, const SeenRequest&, std::size_t count) {
    if (count == 1) response->body.resize(response->body.size() / 2);
    return response;
  };
  const Status fetched = fetch(world.repository, world.remote, {"refs/heads/main"}, {});
  ASSERT_TRUE(fetched.ok()) << fetched.error().message;
  EXPECT_TRUE(tree_id(world.repository, *GitId::from_hex(commit)).ok());
  EXPECT_EQ(world.clock.sleeps().size(), 1u);
}

}  // namespace
}  // namespace hubrev::testing
