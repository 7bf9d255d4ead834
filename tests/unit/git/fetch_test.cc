#include <gtest/gtest.h>

#include <algorithm>

#include "plugin/git/read_commit.h"
#include "tests/unit/git/git_server.h"

namespace hubrev::testing {
namespace {

GitId id_of(const std::string& hex) {
  return GitId::from_hex(hex).value();
}

TEST(ListRefs, AnEmptyRepositoryHasNone) {
  World world;
  const auto refs = list_refs(world.repository, world.remote, {});
  ASSERT_TRUE(refs.ok()) << refs.error().message;
  EXPECT_TRUE(refs->empty());
}

TEST(ListRefs, GivesFullNamesWithoutHeadAndPeeledTags) {
  World world;
  const std::string commit = world.server.foreign_commit("x");
  for (const char* ref : {"refs/heads/main", "refs/heads/a/b#c", "refs/pr/1"}) {
    world.server.git("update-ref '" + std::string(ref) + "' " + commit);
  }
  world.server.git("tag -a -m annotated v1 " + commit);
  const auto refs = list_refs(world.repository, world.remote, {});
  ASSERT_TRUE(refs.ok()) << refs.error().message;
  std::vector<std::string> names;
  for (const RemoteRef& ref : *refs) names.push_back(ref.name);
  EXPECT_EQ(names, (std::vector<std::string>{"refs/heads/a/b#c", "refs/heads/main", "refs/pr/1",
                                             "refs/tags/v1"}));
  EXPECT_EQ(refs->front().id, id_of(commit));
  EXPECT_EQ(world.posts(), 0u);
}

TEST(ListRefs, TwoThousandRefs) {
  World world;
  const std::string commit = world.server.foreign_commit("x");
  std::string commands;
  for (int i = 0; i < 2000; ++i) {
    commands += "create refs/heads/step-" + std::to_string(i) + " " + commit + "\n";
  }
  world.server.git("update-ref --stdin", commands);
  EXPECT_EQ(list_refs(world.repository, world.remote, {})->size(), 2000u);
}

TEST(Fetch, BringsTheCommitAndSpeaksOfWhatIsMissing) {
  World world;
  const std::string commit = world.server.foreign_commit("hello");
  world.server.git("update-ref refs/heads/main " + commit);
  const Status fetched = fetch(world.repository, world.remote, {"refs/heads/main"}, {});
  ASSERT_TRUE(fetched.ok()) << fetched.error().message;
  const auto info = read_commit(world.repository, id_of(commit));
  ASSERT_TRUE(info.ok()) << info.error().message;
  EXPECT_EQ(info->files.at(0).path, "foreign.txt");
  EXPECT_EQ(info->files.at(0).small_bytes, "hello");

  const Status missing =
      fetch(world.repository, world.remote, {"refs/heads/main", "refs/heads/none"}, {});
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().kind, ErrorKind::kNotFound);
  EXPECT_NE(missing.error().message.find("refs/heads/none"), std::string::npos);
}

TEST(Fetch, WhatIsHereIsNotAskedForAgain) {
  World world;
  world.server.git("update-ref refs/heads/main " + world.server.foreign_commit("x"));
  ASSERT_TRUE(fetch(world.repository, world.remote, {"refs/heads/main"}, {}).ok());
  EXPECT_EQ(world.posts(), 1u);
  ASSERT_TRUE(fetch(world.repository, world.remote, {"refs/heads/main"}, {}).ok());
  EXPECT_EQ(world.posts(), 1u);
}

// "a" is gone and "a/b" is new: as files under .git/refs the two could not exist together.
TEST(Fetch, NamesThatClashOverTimeDoNot) {
  World world;
  const std::string first = world.server.foreign_commit("1");
  world.server.git("update-ref refs/heads/a " + first);
  ASSERT_TRUE(fetch(world.repository, world.remote, {"refs/heads/a"}, {}).ok());
  world.server.git("update-ref -d refs/heads/a");
  const std::string second = world.server.foreign_commit("2");
  world.server.git("update-ref refs/heads/a/b " + second);
  const Status fetched = fetch(world.repository, world.remote, {"refs/heads/a/b"}, {});
  ASSERT_TRUE(fetched.ok()) << fetched.error().message;
  EXPECT_TRUE(read_commit(world.repository, id_of(second)).ok());
}

TEST(Fetch, ARefThatMovedIsFetchedAnew) {
  World world;
  for (const char* text : {"1", "2", "3"}) {
    const std::string commit = world.server.foreign_commit(text);
    world.server.git("update-ref refs/heads/main " + commit);
    ASSERT_TRUE(fetch(world.repository, world.remote, {"refs/heads/main"}, {}).ok());
    EXPECT_TRUE(read_commit(world.repository, id_of(commit)).ok());
  }
}

TEST(Promote, OneCommitWithTheRevisionsTreeAndBothParents) {
  World world;
  const std::string main = world.server.foreign_commit("main");
  world.server.git("update-ref refs/heads/main " + main);
  const GitId revision = world.commit("best");
  ASSERT_TRUE(world.push(revision, "refs/heads/step-10").ok());

  // Another machine, with an empty scratch repository.
  Repository fresh = Repository::create(world.dir / "fresh").value();
  ASSERT_TRUE(fetch(fresh, world.remote, {"refs/heads/main", "refs/heads/step-10"}, {}).ok());
  const auto merged = write_changed_commit(fresh, revision, {}, {id_of(main), revision},
                                           "promote\n", {"A", "a@example.test", 1'700'000'001});
  ASSERT_TRUE(merged.ok()) << merged.error().message;
  EXPECT_EQ(*tree_id(fresh, *merged), *tree_id(fresh, revision));
  const auto outcome =
      push(fresh, world.remote, {*merged, "refs/heads/main", id_of(main), {}, {}}, {});
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  EXPECT_EQ(outcome->previous, id_of(main));
  EXPECT_EQ(world.server.git("rev-list --parents -n 1 main"),
            merged->hex() + " " + main + " " + revision.hex());
  EXPECT_EQ(world.server.git("diff-tree main step-10"), "");
  EXPECT_EQ(world.server.git("fsck --full --strict"), "");
}

TEST(Promote, MainMovedMeanwhileIsAConflict) {
  World world;
  const std::string main = world.server.foreign_commit("main");
  const GitId revision = world.commit("best");
  const auto merged = [&] {
    world.server.git("update-ref refs/heads/main " + main);
    EXPECT_TRUE(fetch(world.repository, world.remote, {"refs/heads/main"}, {}).ok());
    return write_changed_commit(world.repository, revision, {}, {id_of(main), revision}, "p\n",
                                {"A", "a@example.test", 1'700'000'001})
        .value();
  }();
  const std::string other = world.server.foreign_commit("somebody else");
  // Before our look at the refs, and between that and our push.
  for (const bool late : {false, true}) {
    world.server.git("update-ref refs/heads/main " + (late ? main : other));
    world.before = [&](const SeenRequest& request, std::size_t) {
      if (late && is_post(request)) world.server.git("update-ref refs/heads/main " + other);
      return std::nullopt;
    };
    const auto outcome =
        push(world.repository, world.remote, {merged, "refs/heads/main", id_of(main), {}, {}}, {});
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.error().kind, ErrorKind::kConflict) << outcome.error().message;
    EXPECT_EQ(world.server.commit_of("refs/heads/main"), other);
  }
}

}  // namespace
}  // namespace hubrev::testing
