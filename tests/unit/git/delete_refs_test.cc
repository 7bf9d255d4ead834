#include <gtest/gtest.h>

#include "tests/unit/git/git_server.h"

namespace hubrev::testing {
namespace {

constexpr const char* kRef = "refs/heads/step-000000010";

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

struct Deletion : World {
  // Something else is there as well: nothing may happen to it.
  Deletion() : pushed(commit("old")), other(commit("other")) {
    EXPECT_TRUE(push(pushed, kRef).ok());
    EXPECT_TRUE(push(other, "refs/heads/main").ok());
  }
  Result<DeleteResult> remove(const GitId& expected, const std::string& ref = kRef) {
    HUBREV_TRY(const auto results,
               delete_refs(repository, remote, {{ref, expected}}, stop.get_token()));
    return results.at(0);
  }
  // "deleted", "gone" or the kind of the error, for each.
  std::string remove_all(const std::vector<RefDeletion>& deletions) {
    const auto results = delete_refs(repository, remote, deletions, stop.get_token());
    if (!results.ok()) return std::string(to_string(results.error().kind));
    std::string all;
    for (const auto& one : *results) {
      all += all.empty() ? "" : " ";
      all += !one.ok()                        ? to_string(one.error().kind)
             : *one == DeleteResult::kDeleted ? "deleted"
                                              : "gone";
    }
    return all;
  }

  GitId pushed;
  GitId other;
};

TEST(DeleteRefs, RemovesThatOneOnly) {
  Deletion world;
  const auto result = world.remove(world.pushed);
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_EQ(*result, DeleteResult::kDeleted);
  EXPECT_EQ(world.server.commit_of(kRef), "");
  EXPECT_EQ(world.server.commit_of("refs/heads/main"), world.other.hex());
}

TEST(DeleteRefs, NeedsNoObjectHere) {
  Deletion world;
  TempDir dir;
  Repository empty = Repository::create(dir / "empty").value();
  const auto results = delete_refs(empty, world.remote, {{kRef, world.pushed}}, {});
  ASSERT_TRUE(results.ok()) << results.error().message;
  EXPECT_EQ(world.server.commit_of(kRef), "");
}

TEST(DeleteRefs, WhatIsGoneAlreadyIsASuccessAndSendsNothing) {
  Deletion world;
  ASSERT_TRUE(world.remove(world.pushed).ok());
  const std::size_t posts = world.posts();
  const auto again = world.remove(world.pushed);
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(*again, DeleteResult::kAlreadyGone);
  EXPECT_EQ(world.posts(), posts);
}

TEST(DeleteRefs, LeavesAnotherCommitAlone) {
  Deletion world;
  const std::size_t posts = world.posts();
  const auto result = world.remove(world.other);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, ErrorKind::kConflict);
  EXPECT_TRUE(has(result.error().message, world.pushed.hex())) << result.error().message;
  EXPECT_EQ(world.posts(), posts);
  EXPECT_EQ(world.server.commit_of(kRef), world.pushed.hex());
}

// Somebody moves the ref after we have read it: the server compares as well.
TEST(DeleteRefs, NeverRemovesARefThatMovesMeanwhile) {
  Deletion world;
  const std::string newer = world.server.foreign_commit("newer");
  world.before = [&](const SeenRequest& request, std::size_t) {
    if (is_post(request)) world.server.git("update-ref " + std::string(kRef) + " " + newer);
    return std::nullopt;
  };
  const auto result = world.remove(world.pushed);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, ErrorKind::kConflict) << result.error().message;
  EXPECT_EQ(world.server.commit_of(kRef), newer);
}

TEST(DeleteRefs, AnswerLostAfterTheServerDidTheWork) {
  Deletion world;
  bool lost = false;
  world.after = [&](Result<HttpResponse> response, const SeenRequest& request,
                    std::size_t) -> Result<HttpResponse> {
    if (!is_post(request) || lost) return response;
    lost = true;
    return make_error(ErrorKind::kNetwork, "connection reset");
  };
  const std::size_t posts = world.posts();
  const auto result = world.remove(world.pushed);
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_EQ(*result, DeleteResult::kAlreadyGone);
  EXPECT_EQ(world.posts(), posts + 1);
}

// The server is still at the first attempt when the second one begins.
TEST(DeleteRefs, AnswerLostWhileTheServerIsAtWork) {
  Deletion world;
  std::size_t first = 0;
  world.before = [&](const SeenRequest& request,
                     std::size_t number) -> std::optional<Result<HttpResponse>> {
    if (!is_post(request)) return std::nullopt;
    if (first == 0) {
      first = number;
      return make_error(ErrorKind::kNetwork, "connection reset");
    }
    world.server.git("update-ref -d " + std::string(kRef));
    return std::nullopt;
  };
  const auto result = world.remove(world.pushed);
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_EQ(*result, DeleteResult::kAlreadyGone);
}

TEST(DeleteRefs, SurvivesTransientsAndGivesUp) {
  Deletion world;
  int failures = 3;
  world.before = [&](const SeenRequest&, std::size_t) -> std::optional<Result<HttpResponse>> {
    if (failures-- > 0) return respond(503, "busy");
    return std::nullopt;
  };
  ASSERT_TRUE(world.remove(world.pushed).ok());
  failures = 1000;
  const auto result = world.remove(world.pushed);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, ErrorKind::kServer) << result.error().message;
}

TEST(DeleteRefs, ShowsWhyTheServerRefuses) {
  Deletion world;
  world.server.git("config receive.denyDeletes true");
  const auto denied = world.remove(world.pushed);
  ASSERT_FALSE(denied.ok());
  EXPECT_EQ(denied.error().kind, ErrorKind::kRejected);
  EXPECT_TRUE(has(denied.error().message, kRef)) << denied.error().message;

  world.server.git("config receive.denyDeletes false");
  world.server.hook("update", "echo \"DENIED update $1: forbidden\" >&2; exit 1");
  const auto forbidden = world.remove(world.pushed);
  ASSERT_FALSE(forbidden.ok());
  EXPECT_EQ(forbidden.error().kind, ErrorKind::kAuth) << forbidden.error().message;
  EXPECT_EQ(world.server.commit_of(kRef), world.pushed.hex());
}

TEST(DeleteRefs, ManyGoInOnePush) {
  Deletion world;
  std::vector<RefDeletion> deletions;
  std::string expected;
  for (int i = 0; i < 250; ++i) {
    const std::string ref = "refs/heads/many-" + std::to_string(i);
    world.server.git("update-ref " + ref + " " + world.other.hex());
    deletions.push_back({ref, world.other});
    expected += i == 0 ? "deleted" : " deleted";
  }
  const std::size_t posts = world.posts();
  EXPECT_EQ(world.remove_all(deletions), expected);
  EXPECT_EQ(world.posts() - posts, 3u);
  EXPECT_EQ(world.server.git("for-each-ref --format='%(refname)'"),
            std::string("refs/heads/main\n") + kRef);
  EXPECT_EQ(world.remove_all({}), "");
  EXPECT_EQ(world.posts() - posts, 3u);
}

TEST(DeleteRefs, EachIsToldItsOwn) {
  Deletion world;
  const std::string moved = world.server.foreign_commit("moved");
  world.server.git("update-ref refs/heads/moved " + moved);
  world.server.git("update-ref refs/heads/last " + moved);
  const std::size_t posts = world.posts();
  EXPECT_EQ(world.remove_all({{"refs/heads/absent", world.other},
                              {kRef, world.pushed},
                              {"refs/heads/moved", world.other},
                              {"refs/heads/last", *GitId::from_hex(moved)}}),
            "gone deleted conflict deleted");
  EXPECT_EQ(world.posts() - posts, 1u);
  EXPECT_EQ(world.server.commit_of("refs/heads/moved"), moved);
}

TEST(DeleteRefs, OneThatMovesMeanwhileDoesNotHoldUpTheOthers) {
  Deletion world;
  world.server.git("symbolic-ref HEAD refs/heads/nothing");
  const std::string newer = world.server.foreign_commit("newer");
  world.before = [&](const SeenRequest& request, std::size_t) {
    if (is_post(request)) world.server.git("update-ref refs/heads/main " + newer);
    return std::nullopt;
  };
  EXPECT_EQ(world.remove_all({{kRef, world.pushed}, {"refs/heads/main", world.other}}),
            "deleted conflict");
  EXPECT_EQ(world.server.commit_of("refs/heads/main"), newer);
}

// As a server does that protects a branch: it refuses the whole push.
TEST(DeleteRefs, AHookThatRefusesAllForOneIsAskedForEach) {
  Deletion world;
  world.server.git("update-ref refs/heads/third " + world.other.hex());
  world.server.git("symbolic-ref HEAD refs/heads/nothing");
  world.server.hook("pre-receive",
                    "while read old new ref; do case $ref in */main) exit 1;; esac; done");
  EXPECT_EQ(world.remove_all({{kRef, world.pushed},
                              {"refs/heads/main", world.other},
                              {"refs/heads/third", world.other}}),
            "deleted rejected deleted");
  EXPECT_EQ(world.server.commit_of("refs/heads/main"), world.other.hex());
}

TEST(DeleteRefs, RefusesWhatIsNoRefAndWhenCancelled) {
  Deletion world;
  const std::size_t requests = world.seen().size();
  for (const char* ref : {"", "step-000000010", "refs/heads/", "refs/heads/*"}) {
    const auto result = world.remove(world.pushed, ref);
    ASSERT_FALSE(result.ok()) << ref;
    EXPECT_EQ(result.error().kind, ErrorKind::kInvalidInput) << ref;
  }
  world.stop.request_stop();
  EXPECT_EQ(world.remove(world.pushed).error().kind, ErrorKind::kCancelled);
  EXPECT_EQ(world.seen().size(), requests);
}

}  // namespace
}  // namespace hubrev::testing
