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
    return delete_ref(repository, remote, ref, expected, stop.get_token());
  }

  GitId pushed;
  GitId other;
};

TEST(DeleteRef, RemovesThatOneOnly) {
  Deletion world;
  const auto result = world.remove(world.pushed);
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_EQ(*result, DeleteResult::kDeleted);
  EXPECT_EQ(world.server.commit_of(kRef), "");
  EXPECT_EQ(world.server.commit_of("refs/heads/main"), world.other.hex());
}

TEST(DeleteRef, NeedsNoObjectHere) {
  Deletion world;
  TempDir dir;
  Repository empty = Repository::create(dir / "empty").value();
  const auto result = delete_ref(empty, world.remote, kRef, world.pushed, {});
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_EQ(world.server.commit_of(kRef), "");
}

TEST(DeleteRef, WhatIsGoneAlreadyIsASuccessAndSendsNothing) {
  Deletion world;
  ASSERT_TRUE(world.remove(world.pushed).ok());
  const std::size_t posts = world.posts();
  const auto again = world.remove(world.pushed);
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(*again, DeleteResult::kAlreadyGone);
  EXPECT_EQ(world.posts(), posts);
}

TEST(DeleteRef, LeavesAnotherCommitAlone) {
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
TEST(DeleteRef, NeverRemovesARefThatMovesMeanwhile) {
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

TEST(DeleteRef, AnswerLostAfterTheServerDidTheWork) {
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

TEST(DeleteRef, SurvivesTransientsAndGivesUp) {
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

TEST(DeleteRef, ShowsWhyTheServerRefuses) {
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

TEST(DeleteRef, RefusesWhatIsNoRefAndWhenCancelled) {
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
