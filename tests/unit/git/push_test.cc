#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <thread>
#include <utility>

#include "tests/unit/git/git_server.h"

namespace hubrev::testing {
namespace {

using std::chrono::milliseconds;

constexpr const char* kRef = "refs/heads/step-000000010";

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Push, MakesANewBranch) {
  World world;
  const GitId commit = world.commit("new");
  const auto outcome = world.push(commit, kRef);
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  EXPECT_EQ(outcome->result, PushResult::kPushed);
  EXPECT_EQ(outcome->previous, std::nullopt);
  EXPECT_EQ(outcome->server_text, "");
  EXPECT_EQ(world.server.commit_of(kRef), commit.hex());
  EXPECT_EQ(world.server.git("fsck --full --strict"), "");
  EXPECT_EQ(world.server.git("cat-file blob " + commit.hex() + ":README.md"), "new");
}

TEST(Push, UsesTheGivenUrlAndSendsTheTokenAtOnce) {
  World world;
  ASSERT_TRUE(world.push(world.commit("new"), kRef).ok());
  ASSERT_EQ(world.seen().size(), 2u);
  for (const SeenRequest& request : world.seen()) {
    EXPECT_TRUE(request.authorized);
    EXPECT_TRUE(request.url.starts_with("http://hub.test/team/model/")) << request.url;
    for (const auto& [name, value] : request.headers) EXPECT_NE(name, "X-Evil");
  }
}

TEST(Push, AsksNothingWhereItWasAskedAhead) {
  World world;
  world.server.git("update-ref refs/heads/other " + world.server.foreign_commit("other"));
  const GitId commit = world.commit("new");
  const auto told = advertise(world.remote, kRef, {});
  ASSERT_TRUE(told.ok()) << told.error().message;
  EXPECT_FALSE(has(*told, "refs/heads/other"));
  ASSERT_EQ(world.seen().size(), 1u);
  EXPECT_TRUE(world.seen()[0].authorized);
  const auto outcome = push(world.repository, world.remote, {commit, kRef, {}, {}, {}, *told}, {});
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  EXPECT_EQ(outcome->result, PushResult::kPushed);
  EXPECT_EQ(world.seen().size(), 2u);
  EXPECT_EQ(world.posts(), 1u);
  EXPECT_EQ(world.server.commit_of(kRef), commit.hex());
}

TEST(Push, WhatWasToldAheadMayBeOld) {
  for (const RefPolicy policy : {RefPolicy::kReplace, RefPolicy::kReplaceOwn}) {
    World world;
    const auto told = advertise(world.remote, kRef, {});
    ASSERT_TRUE(told.ok()) << told.error().message;
    const std::string other = world.server.foreign_commit("other");
    world.server.git("update-ref " + std::string(kRef) + " " + other);
    const PushRequest request{world.commit("ours"), kRef, {}, policy, {}, *told};
    const auto outcome = push(world.repository, world.remote, request, {});
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.error().kind, ErrorKind::kConflict) << outcome.error().message;
    EXPECT_EQ(world.server.commit_of(kRef), other);
  }
}

TEST(Push, SaysWhichNameLeavesNoRoomForTheRef) {
  for (const char* taken : {"refs/heads/v1", "refs/heads/v1/step-1/a"}) {
    for (const bool ahead : {false, true}) {
      World world;
      world.server.git("update-ref " + std::string(taken) + " " +
                       world.server.foreign_commit("other"));
      world.server.git("update-ref refs/heads/v1-old " + world.server.foreign_commit("old"));
      PushRequest request{world.commit("ours"), "refs/heads/v1/step-1", {}, {}, {}, {}};
      if (ahead) request.advertisement = advertise(world.remote, request.ref, {}).value();
      const auto outcome = push(world.repository, world.remote, request, {});
      ASSERT_FALSE(outcome.ok());
      EXPECT_EQ(outcome.error().kind, ErrorKind::kConfig);
      EXPECT_TRUE(has(outcome.error().message, std::string("beside ") + taken))
          << outcome.error().message;
      EXPECT_EQ(world.posts(), 0u);
    }
  }
}

TEST(Push, ANameThatIsFreeByNowIsTaken) {
  World world;
  world.server.git("update-ref refs/heads/v1 " + world.server.foreign_commit("other"));
  PushRequest request{world.commit("ours"), "refs/heads/v1/step-1", {}, {}, {}, {}};
  request.advertisement = advertise(world.remote, request.ref, {}).value();
  world.server.git("update-ref -d refs/heads/v1");
  const auto outcome = push(world.repository, world.remote, request, {});
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  EXPECT_EQ(world.server.commit_of(request.ref), request.commit.hex());
}

// Nobody compares where nothing is sent.
TEST(Push, WhatWasThereWhenItWasAskedAheadIsLookedForAgain) {
  World world;
  const GitId commit = world.commit("ours");
  ASSERT_TRUE(world.push(commit, kRef).ok());
  const auto told = advertise(world.remote, kRef, {});
  ASSERT_TRUE(told.ok()) << told.error().message;
  const PushRequest request{commit, kRef, {}, {}, {}, *told};
  const auto still = push(world.repository, world.remote, request, {});
  ASSERT_TRUE(still.ok()) << still.error().message;
  EXPECT_EQ(still->result, PushResult::kAlreadyThere);
  world.server.git("update-ref -d " + std::string(kRef));
  const auto again = push(world.repository, world.remote, request, {});
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(again->result, PushResult::kPushed);
  EXPECT_EQ(world.server.commit_of(kRef), commit.hex());
}

// The second attempt asks anew, and so finds that the first one did it.
TEST(Push, AnswerLostAfterItWasAskedAhead) {
  World world;
  const GitId commit = world.commit("new");
  const auto told = advertise(world.remote, kRef, {});
  ASSERT_TRUE(told.ok()) << told.error().message;
  bool lost = false;
  world.after = [&](Result<HttpResponse> response, const SeenRequest& request,
                    std::size_t) -> Result<HttpResponse> {
    if (!is_post(request) || std::exchange(lost, true)) return response;
    return make_error(ErrorKind::kNetwork, "connection reset");
  };
  const auto outcome = push(world.repository, world.remote, {commit, kRef, {}, {}, {}, *told}, {});
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  EXPECT_EQ(outcome->result, PushResult::kAlreadyThere);
  EXPECT_EQ(world.posts(), 1u);
}

TEST(Push, WithoutATokenNoCredentialIsSent) {
  World world;
  world.remote.credential = {};
  ASSERT_TRUE(world.push(world.commit("new"), kRef).ok());
  for (const SeenRequest& request : world.seen()) EXPECT_FALSE(request.authorized);
}

TEST(Push, AgainFindsItThereAndSendsNothing) {
  World world;
  const GitId commit = world.commit("same");
  ASSERT_TRUE(world.push(commit, kRef).ok());
  const std::size_t posts = world.posts();
  const auto again = world.push(commit, kRef);
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(again->result, PushResult::kAlreadyThere);
  EXPECT_EQ(again->previous, commit);
  EXPECT_EQ(world.posts(), posts);
}

TEST(Push, ReplacesAnUnrelatedCommit) {
  World world;
  const std::string old = world.server.foreign_commit("old");
  world.server.git("update-ref " + std::string(kRef) + " " + old);
  const GitId commit = world.commit("new");
  const auto outcome = world.push(commit, kRef);
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  EXPECT_EQ(outcome->previous->hex(), old);
  EXPECT_EQ(world.server.commit_of(kRef), commit.hex());
}

TEST(Push, FailPolicyLeavesAnotherCommitAlone) {
  World world;
  const std::string old = world.server.foreign_commit("old");
  world.server.git("update-ref " + std::string(kRef) + " " + old);
  PushRequest request{world.commit("new"), kRef, std::nullopt, RefPolicy::kReplaceOwn, {}};
  const auto outcome = push(world.repository, world.remote, request, {});
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().kind, ErrorKind::kConflict);
  EXPECT_TRUE(has(outcome.error().message, old)) << outcome.error().message;
  EXPECT_TRUE(has(outcome.error().message, request.commit.hex()));
  EXPECT_TRUE(has(outcome.error().message, "'exists'"));
  EXPECT_EQ(world.posts(), 0u);
  EXPECT_EQ(world.server.commit_of(kRef), old);
}

TEST(Push, FailPolicyTakesAFreeNameAndItsOwnCommit) {
  World world;
  const PushRequest request{world.commit("new"), kRef, std::nullopt, RefPolicy::kReplaceOwn, {}};
  ASSERT_TRUE(push(world.repository, world.remote, request, {}).ok());
  const auto again = push(world.repository, world.remote, request, {});
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(again->result, PushResult::kAlreadyThere);
}

// Somebody moves the ref after we have read it: the server must refuse, whatever our policy.
TEST(Push, NeverOverwritesARefThatMovesMeanwhile) {
  for (const bool exists : {false, true}) {
    World world;
    if (exists) {
      world.server.git("update-ref " + std::string(kRef) + " " + world.server.foreign_commit("a"));
    }
    const std::string other = world.server.foreign_commit("b");
    world.before = [&](const SeenRequest& request, std::size_t) {
      if (is_post(request)) world.server.git("update-ref " + std::string(kRef) + " " + other);
      return std::nullopt;
    };
    const auto outcome = world.push(world.commit("ours"), kRef);
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.error().kind, ErrorKind::kConflict) << outcome.error().message;
    EXPECT_EQ(world.server.commit_of(kRef), other);
  }
}

TEST(Push, ExpectedIsCompareAndSwap) {
  World world;
  const GitId first = world.commit("first");
  const GitId second = world.commit("second");
  ASSERT_TRUE(world.push(first, "refs/heads/main").ok());
  const std::size_t posts = world.posts();
  const GitId wrong = *GitId::from_hex(std::string(40, 'e'));
  for (const auto& ref : {"refs/heads/main", "refs/heads/absent"}) {
    const auto refused = push(world.repository, world.remote, {second, ref, wrong, {}, {}}, {});
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().kind, ErrorKind::kConflict);
    EXPECT_TRUE(has(refused.error().message, wrong.hex())) << refused.error().message;
  }
  EXPECT_EQ(world.posts(), posts);
  // The right value passes even where other commits must not be replaced.
  const PushRequest request{second, "refs/heads/main", first, RefPolicy::kReplaceOwn, {}};
  ASSERT_TRUE(push(world.repository, world.remote, request, {}).ok());
  EXPECT_EQ(world.server.commit_of("refs/heads/main"), second.hex());
  // And once more: the commit is there, so the expected value no longer matters.
  EXPECT_EQ(push(world.repository, world.remote, request, {})->result, PushResult::kAlreadyThere);
}

TEST(Push, ShowsWhatTheHookSaid) {
  World world;
  world.server.hook("pre-receive", R"(
printf 'remote: found 1 file larger than 10 MiB\r\n' >&2
printf -- '- weights/big.bin (ref: %s)\n' "refs/heads/x" >&2
printf 'meter 10%%\rmeter 100%%\n' >&2
printf 'raw \033[31m\377\n' >&2
exit 1)");
  const auto outcome = world.push(world.commit("bad"), kRef);
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().kind, ErrorKind::kRejected);
  EXPECT_EQ(outcome.error().message,
            std::string("the server refused ") + kRef +
                ": pre-receive hook declined: remote: found 1 file larger than 10 MiB\n"
                "- weights/big.bin (ref: refs/heads/x)\nraw ?[31m?");
  EXPECT_EQ(world.server.commit_of(kRef), "");
  EXPECT_EQ(world.posts(), 1u);  // a refusal is not tried again
  EXPECT_TRUE(world.clock.sleeps().empty());
}

TEST(Push, KeepsWhatAnAcceptingHookSaid) {
  World world;
  world.server.hook("post-receive", "echo 'Create a pull request: https://hub.test/pr'>&2");
  const auto outcome = world.push(world.commit("good"), kRef);
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  EXPECT_EQ(outcome->server_text, "Create a pull request: https://hub.test/pr");
}

TEST(Push, ALongHookTextIsCutAndSplitAnywhere) {
  World world;
  world.server.hook("pre-receive",
                    "i=0; while [ $i -lt 4000 ]; do echo \"line $i of a long complaint\" >&2; "
                    "i=$((i+1)); done; exit 1");
  const auto outcome = world.push(world.commit("bad"), kRef);
  ASSERT_FALSE(outcome.ok());
  EXPECT_TRUE(has(outcome.error().message, "line 0 of a long complaint\nline 1 of"));
  EXPECT_TRUE(has(outcome.error().message, "line 1000 of a long complaint\nline 1001 of"));
  EXPECT_LT(outcome.error().message.size(), 66'000u);
}

TEST(Push, ATokenThatMayNotWriteIsAuth) {
  World world;
  world.server.hook("update", "echo \"DENIED update $1: forbidden\" >&2; exit 1");
  const auto outcome = world.push(world.commit("x"), "refs/heads/main");
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().kind, ErrorKind::kAuth);
  EXPECT_TRUE(has(outcome.error().message, "DENIED update refs/heads/main: forbidden"));
}

TEST(Push, ABrokenPackIsRefusedNotRetried) {
  World world;
  world.server.git("config transfer.unpackLimit 1");
  world.server.git("config receive.maxInputSize 20");
  const auto outcome = world.push(world.commit("x"), kRef);
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().kind, ErrorKind::kRejected) << outcome.error().message;
  EXPECT_TRUE(has(outcome.error().message, "unpack")) << outcome.error().message;
  EXPECT_EQ(world.posts(), 1u);
}

TEST(Push, AnswerLostAfterTheServerDidTheWork) {
  World world;
  bool lost = false;
  world.after = [&](Result<HttpResponse> response, const SeenRequest& request,
                    std::size_t) -> Result<HttpResponse> {
    if (!is_post(request) || lost) return response;
    lost = true;
    return make_error(ErrorKind::kNetwork, "connection reset");
  };
  for (const std::optional<GitId> expected : {std::optional<GitId>(), {world.commit("old")}}) {
    lost = false;
    if (expected) {
      world.server.git("update-ref -d " + std::string(kRef));
      lost = true;
      ASSERT_TRUE(world.push(*expected, kRef).ok());
      lost = false;
    }
    const std::size_t posts = world.posts();
    const GitId commit = world.commit("new");
    const auto outcome = push(world.repository, world.remote, {commit, kRef, expected, {}, {}}, {});
    ASSERT_TRUE(outcome.ok()) << outcome.error().message;
    EXPECT_EQ(outcome->result, PushResult::kAlreadyThere);
    EXPECT_EQ(world.posts(), posts + 1);
    EXPECT_EQ(world.server.commit_of(kRef), commit.hex());
  }
}

TEST(Push, OverEightMebibytesGoesThroughAFileWithoutAName) {
  World world;
  CommitContent content = sample_content("large");
  std::string noise(9u << 20, '\0');
  std::uint32_t state = 1;
  for (char& byte : noise) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<char>(state >> 24);
  }
  content.files.push_back({"noise.txt", noise});
  const GitId commit = write_root_commit(world.repository, content).value();
  const auto outcome = world.push(commit, kRef);
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  EXPECT_GT(world.seen().back().body.size(), 8u << 20);
  EXPECT_EQ(world.server.commit_of(kRef), commit.hex());
  EXPECT_EQ(world.server.git("fsck --full --strict"), "");
  for (const auto& entry : std::filesystem::directory_iterator(world.repository.path())) {
    EXPECT_FALSE(has(entry.path().filename().string(), "request-")) << entry.path();
  }
}

TEST(Push, ManyFilesInNestedFoldersWithAnyNames) {
  World world;
  CommitContent content = sample_content("many");
  for (int i = 0; i < 300; ++i) {
    content.files.push_back({"\xe6\xa8\xa1\xe5\x9e\x8b " + std::to_string(i % 7) + "/d\xc3\xa9" +
                                 std::to_string(i % 5) + "/file " + std::to_string(i) + ".json",
                             "content " + std::to_string(i)});
  }
  const GitId commit = write_root_commit(world.repository, content).value();
  const auto outcome = world.push(commit, "refs/heads/\xc3\xa9tape/10#x");
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  EXPECT_EQ(world.server.commit_of("refs/heads/\xc3\xa9tape/10#x"), commit.hex());
  EXPECT_EQ(world.server.git("fsck --full --strict"), "");
  const std::string names = world.server.git("ls-tree -r -z --name-only " + commit.hex());
  EXPECT_EQ(std::count(names.begin(), names.end(), '\0'), 302);
}

TEST(Push, RefusesWhatIsNoRefAndWhatIsNoCommit) {
  World world;
  const GitId commit = world.commit("x");
  for (const char* ref : {"", "main", "refs/heads/", "refs/heads/a b", "refs/heads/a..b",
                          "refs/heads/a:refs/heads/b", "refs/heads/*"}) {
    const auto outcome = world.push(commit, ref);
    ASSERT_FALSE(outcome.ok()) << ref;
    EXPECT_EQ(outcome.error().kind, ErrorKind::kInvalidInput) << ref;
  }
  EXPECT_EQ(world.push(*GitId::from_hex(std::string(40, 'a')), kRef).error().kind,
            ErrorKind::kNotFound);
  EXPECT_TRUE(world.seen().empty());
}

TEST(Push, TwoThreadsWithARepositoryEach) {
  World one;
  World two;
  const auto work = [](World& world, const std::string& name) {
    for (int i = 0; i < 4; ++i) {
      const std::string ref = "refs/heads/" + name + "-" + std::to_string(i);
      const GitId commit = world.commit(name + std::to_string(i));
      const auto outcome = world.push(commit, ref);
      ASSERT_TRUE(outcome.ok()) << outcome.error().message;
      EXPECT_EQ(world.server.commit_of(ref), commit.hex());
      ASSERT_TRUE(fetch(world.repository, world.remote, {ref}, {}).ok());
    }
  };
  std::jthread first([&] { work(one, "one"); });
  std::jthread second([&] { work(two, "two"); });
}

}  // namespace
}  // namespace hubrev::testing
