// Remotes that are folders, beside real git that uses the same ones.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "plugin/git/read_commit.h"
#include "tests/unit/git/git_server.h"

namespace hubrev {
namespace {

namespace fs = std::filesystem;
using testing::TempDir;

struct LocalRemote : ::testing::Test {
  LocalRemote() { world.remote.url = "file://" + world.server.path(); }

  Result<PushOutcome> push(const PushRequest& request) {
    return hubrev::push(world.repository, world.remote, request, world.stop.get_token());
  }
  Status fetch(const std::vector<std::string>& refs) {
    return hubrev::fetch(world.repository, world.remote, refs, world.stop.get_token());
  }
  static GitId id(const std::string& hex) { return *GitId::from_hex(hex); }

  testing::World world;
};

TEST_F(LocalRemote, APushIsThereForGit) {
  const GitId commit = world.commit("one");
  const auto pushed = world.push(commit, "refs/heads/a/b");
  ASSERT_TRUE(pushed.ok()) << pushed.error().message;
  EXPECT_EQ(pushed->result, PushResult::kPushed);
  EXPECT_FALSE(pushed->previous);
  EXPECT_EQ(world.server.commit_of("refs/heads/a/b"), commit.hex());
  EXPECT_EQ(world.server.git("show a/b:README.md"), "one");
  world.server.git("fsck --strict --full");
  EXPECT_EQ(world.push(commit, "refs/heads/a/b")->result, PushResult::kAlreadyThere);
  EXPECT_TRUE(world.seen().empty()) << "no server is asked";
}

TEST_F(LocalRemote, WhatTheRemoteHasIsNotCopiedAgain) {
  const GitId first = world.commit("one");
  ASSERT_TRUE(world.push(first, "refs/heads/main").ok());
  const auto second = write_changed_commit(world.repository, first, {{"new.txt", "text"}}, {first},
                                           "next\n", {"A", "a@example.test", 1'700'000'001});
  ASSERT_TRUE(second.ok());
  ASSERT_TRUE(world.push(*second, "refs/heads/main").ok());
  world.server.git("fsck --strict --full");
  // Commit, tree and blob of the second.
  EXPECT_NE(world.server.git("count-objects -v").find("in-pack: 8\n"), std::string::npos)
      << world.server.git("count-objects -v");
}

TEST_F(LocalRemote, RefsAreListedAndFetched) {
  const std::string theirs = world.server.foreign_commit("theirs");
  world.server.git("update-ref refs/heads/main " + theirs);
  world.server.git("tag -a -m words v1 " + theirs);
  world.server.git("pack-refs --all");
  const auto refs = list_refs(world.repository, world.remote, {});
  ASSERT_TRUE(refs.ok()) << refs.error().message;
  ASSERT_EQ(refs->size(), 2u);
  EXPECT_EQ(refs->at(0).name, "refs/heads/main");
  EXPECT_EQ(refs->at(0).id.hex(), theirs);
  EXPECT_EQ(refs->at(1).name, "refs/tags/v1");
  ASSERT_TRUE(fetch({"refs/heads/main", "refs/tags/v1"}).ok());
  EXPECT_EQ(read_commit(world.repository, id(theirs))->message, "theirs\n");
  EXPECT_EQ(peel_to_commit(world.repository, refs->at(1).id)->hex(), theirs);

  // What came later is seen, too.
  const std::string later = world.server.foreign_commit("later");
  world.server.git("update-ref refs/heads/main " + later);
  ASSERT_TRUE(fetch({"refs/heads/main"}).ok());
  EXPECT_TRUE(read_commit(world.repository, id(later)).ok());
  EXPECT_EQ(fetch({"refs/heads/none"}).error().kind, ErrorKind::kNotFound);
}

TEST_F(LocalRemote, SomebodyElsesCommitGivesWayByThePolicyAlone) {
  const std::string theirs = world.server.foreign_commit("theirs");
  world.server.git("update-ref refs/heads/x " + theirs);
  PushRequest request;
  request.commit = world.commit("ours");
  request.ref = "refs/heads/x";
  request.policy = RefPolicy::kReplaceOwn;
  EXPECT_EQ(push(request).error().kind, ErrorKind::kConflict);
  EXPECT_EQ(world.server.commit_of("refs/heads/x"), theirs);
  request.own = {id(theirs)};
  ASSERT_TRUE(push(request).ok());
  EXPECT_EQ(world.server.commit_of("refs/heads/x"), request.commit.hex());
  request.commit = world.commit("again");
  request.expected = id(theirs);
  EXPECT_EQ(push(request).error().kind, ErrorKind::kConflict);
}

// Whoever writes to a folder, with a repository of its own.
struct Writer {
  explicit Writer(const std::string& url) {
    remote.url = url;
    remote.retry.clock = &clock;
    // Where another one has the lock, and may be waiting for a core.
    remote.retry.policy.max_retries = 1000;
    remote.retry.on_retry = [](const Error&, auto) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    };
  }

  TempDir dir;
  Repository scratch = Repository::create(dir / "scratch").value();
  testing::FakeClock clock;
  Remote remote;
};

TEST_F(LocalRemote, SaysWhichNameLeavesNoRoomForTheRef) {
  for (const char* taken : {"refs/heads/v1", "refs/heads/v2/step-1/a"}) {
    const std::string ref = std::string(taken).substr(0, 13) + "/step-1";
    world.server.git("update-ref " + std::string(taken) + " " + world.server.foreign_commit(taken));
    const auto outcome = world.push(world.commit("ours"), ref);
    ASSERT_FALSE(outcome.ok()) << ref;
    EXPECT_EQ(outcome.error().kind, ErrorKind::kConfig) << outcome.error().message;
    EXPECT_NE(outcome.error().message.find(taken), std::string::npos) << outcome.error().message;
  }
}

// Of many writers that each expect what they saw, one wins each round, and nobody's is lost.
TEST_F(LocalRemote, WritersAtTheSameTimeDoNotOverwriteEachOther) {
  constexpr int kWriters = 4;
  constexpr int kEach = 5;
  const std::string url = world.remote.url;
  std::vector<std::thread> writers;
  for (int writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back([&, writer] {
      Writer own(url);
      for (int done = 0; done < kEach;) {
        const auto refs = list_refs(own.scratch, own.remote, {});
        ASSERT_TRUE(refs.ok()) << refs.error().message;
        std::optional<GitId> current;
        for (const RemoteRef& ref : *refs) {
          if (ref.name == "refs/heads/log") current = ref.id;
        }
        std::vector<GitId> parents;
        if (current) {
          ASSERT_TRUE(hubrev::fetch(own.scratch, own.remote, {"refs/heads/log"}, {}).ok());
          parents = {*current};
        }
        const std::string name = std::to_string(writer) + "-" + std::to_string(done);
        PushRequest request;
        request.commit = write_changed_commit(own.scratch, current, {{name, "x"}}, parents, name,
                                              {"A", "a@example.test", 1'700'000'000})
                             .value();
        request.ref = "refs/heads/log";
        request.expected = current;
        request.policy = RefPolicy::kReplaceOwn;
        const auto pushed = hubrev::push(own.scratch, own.remote, request, {});
        if (pushed.ok()) {
          ++done;
        } else {
          ASSERT_EQ(pushed.error().kind, ErrorKind::kConflict) << pushed.error().message;
        }
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(world.server.git("rev-list --count log"), std::to_string(kWriters * kEach));
  const std::string files = world.server.git("ls-tree --name-only log");
  EXPECT_EQ(std::count(files.begin(), files.end(), '\n'), kWriters * kEach - 1);
  world.server.git("fsck --strict --full");
}

TEST_F(LocalRemote, OfThoseWhoMakeABranchAtTheSameTimeOneDoes) {
  constexpr int kWriters = 4;
  constexpr int kBranches = 100;
  const std::string url = world.remote.url;
  std::atomic<int> made = 0;
  std::barrier together(kWriters);
  std::vector<std::thread> writers;
  for (int writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back([&, writer] {
      Writer own(url);
      PushRequest request;
      const std::string name = std::to_string(writer);
      request.commit = write_changed_commit(own.scratch, std::nullopt, {{name, "x"}}, {}, name,
                                            {"A", "a@example.test", 1'700'000'000})
                           .value();
      request.policy = RefPolicy::kReplaceOwn;
      for (int branch = 0; branch < kBranches; ++branch) {
        request.ref = "refs/heads/" + std::to_string(branch);
        together.arrive_and_wait();
        const auto pushed = hubrev::push(own.scratch, own.remote, request, {});
        made += pushed.ok();
        if (!pushed.ok()) {
          EXPECT_EQ(pushed.error().kind, ErrorKind::kConflict) << pushed.error().message;
        }
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(made, kBranches);
}

TEST_F(LocalRemote, ALockedRefIsTriedAgain) {
  const std::string lock = world.server.path() + "/refs/heads/x.lock";
  std::ofstream(lock) << "";
  const auto refused = world.push(world.commit("one"), "refs/heads/x");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::kServer);
  EXPECT_NE(refused.error().message.find("x.lock"), std::string::npos) << refused.error().message;
  world.remote.retry.on_retry = [&](const Error&, auto) { fs::remove(lock); };
  EXPECT_TRUE(world.push(world.commit("one"), "refs/heads/x").ok());
}

TEST_F(LocalRemote, RefsAreDeletedIfTheyAreWhatWasExpected) {
  const GitId commit = world.commit("one");
  for (const char* ref : {"refs/heads/a", "refs/heads/b"}) {
    ASSERT_TRUE(world.push(commit, ref).ok());
  }
  world.server.git("pack-refs --all");
  const auto results = delete_refs(
      world.repository, world.remote,
      {{"refs/heads/a", commit}, {"refs/heads/b", GitId()}, {"refs/heads/c", commit}}, {});
  ASSERT_TRUE(results.ok()) << results.error().message;
  EXPECT_EQ(*results->at(0), DeleteResult::kDeleted);
  EXPECT_EQ(results->at(1).error().kind, ErrorKind::kConflict);
  EXPECT_EQ(*results->at(2), DeleteResult::kAlreadyGone);
  EXPECT_EQ(world.server.commit_of("refs/heads/a"), "");
  EXPECT_EQ(world.server.commit_of("refs/heads/b"), commit.hex());
}

// On a shared file system the repository is mostly a colleague's.
TEST_F(LocalRemote, ARepositoryOfSomebodyElseCanBeUsed) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to give the repository to somebody else";
  constexpr uid_t kNobody = 65534;
  ASSERT_EQ(::chown(world.server.path().c_str(), kNobody, kNobody), 0);
  EXPECT_TRUE(world.push(world.commit("one"), "refs/heads/x").ok());
  EXPECT_EQ(list_refs(world.repository, world.remote, {})->size(), 1u);
}

TEST_F(LocalRemote, AFolderThatIsNoRepositoryIsNamed) {
  for (const std::string& folder : {world.dir.path().string(), world.dir / "none"}) {
    world.remote.url = "file://" + folder;
    const auto pushed = world.push(world.commit("one"), "refs/heads/x");
    ASSERT_FALSE(pushed.ok());
    EXPECT_EQ(pushed.error().kind, ErrorKind::kNotFound);
    EXPECT_NE(pushed.error().message.find(folder), std::string::npos);
  }
}

TEST(BareRepository, IsMadeOnceForEverybodyWhomTheUmaskLetsIn) {
  TempDir dir;
  const std::string path = dir / "group/model.git";
  const mode_t before = ::umask(0007);
  std::vector<std::thread> makers;
  for (int i = 0; i < 8; ++i) {
    makers.emplace_back([&] {
      const Status made = create_bare_repository(path);
      EXPECT_TRUE(made.ok()) << made.error().message;
    });
  }
  for (std::thread& maker : makers) maker.join();
  ::umask(before);
  EXPECT_TRUE(create_bare_repository(path).ok());
  EXPECT_EQ(TempDir::read(path + "/HEAD"), "ref: refs/heads/main\n");
  EXPECT_EQ(fs::status(path).permissions(), fs::perms(0770));
  EXPECT_EQ(std::distance(fs::directory_iterator(dir / "group"), {}), 1) << "nothing is left over";
}

TEST(BareRepository, TakesTheFolderOfNobody) {
  TempDir dir;
  fs::create_directory(dir / "empty.git");
  EXPECT_TRUE(create_bare_repository(dir / "empty.git").ok());
  EXPECT_TRUE(fs::exists(dir / "empty.git/HEAD"));
  dir.write("full/notes.txt", "mine");
  const Status refused = create_bare_repository(dir / "full");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::kConfig);
  EXPECT_NE(refused.error().message.find(dir / "full"), std::string::npos);
  EXPECT_EQ(TempDir::read(dir / "full/notes.txt"), "mine");
}

}  // namespace
}  // namespace hubrev
