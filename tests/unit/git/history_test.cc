#include "plugin/git/history.h"

#include <gtest/gtest.h>

#include <map>

#include "plugin/git/commit_writer.h"
#include "tests/unit/git/git_server.h"

namespace hubrev::testing {
namespace {

constexpr const char* kRef = "refs/heads/main";

// The server's commits, made by git itself, fetched into the client's repository.
struct Line : World {
  // A commit with these files on top of `parents`; folders as git's mktree writes them.
  GitId add(const std::string& tree, const std::vector<GitId>& parents = {}) const {
    std::string options;
    for (const GitId& parent : parents) options += " -p " + parent.hex();
    return *GitId::from_hex(server.git("commit-tree " + tree + options, "text\n\nStep: 3\n"));
  }
  std::string blob(const std::string& bytes) const {
    return server.git("hash-object -w --stdin", bytes);
  }
  std::string tree(const std::string& entries) const { return server.git("mktree", entries); }
  std::string file(const std::string& name, const std::string& bytes) const {
    return "100644 blob " + blob(bytes) + "\t" + name + "\n";
  }
  void bring(const GitId& commit) {
    server.git("update-ref " + std::string(kRef) + " " + commit.hex());
    ASSERT_TRUE(fetch(repository, remote, {kRef}, {}).ok());
  }
  std::map<std::string, int> visits(const std::vector<GitId>& commits) {
    std::map<std::string, int> seen;
    const Status status = visit_small_blobs(
        repository, commits, [&](std::string_view bytes) { ++seen[std::string(bytes)]; });
    EXPECT_TRUE(status.ok());
    return seen;
  }
};

TEST(History, IsEveryCommitOnceItselfFirst) {
  Line line;
  const GitId a = line.add(line.tree(line.file("a", "1")));
  const GitId b = line.add(line.tree(line.file("b", "2")));
  const GitId merge = line.add(line.tree(line.file("a", "1")), {a, b});
  const GitId tip = line.add(line.tree(line.file("a", "3")), {merge, a});
  line.bring(tip);
  const auto history = history_of(line.repository, tip);
  ASSERT_TRUE(history.ok()) << history.error().message;
  EXPECT_EQ(history->front(), tip);
  EXPECT_EQ(std::set<GitId>(history->begin(), history->end()), (std::set<GitId>{a, b, merge, tip}));
  EXPECT_EQ(history->size(), 4u);
  EXPECT_EQ(*message_of(line.repository, tip), "text\n\nStep: 3\n");
}

TEST(History, VisitsEachSmallBlobOfAllCommitsOnce) {
  Line line;
  const std::string folder = line.tree(line.file("deep", "deep") + line.file("same", "same"));
  const GitId old =
      line.add(line.tree(line.file("gone", "gone") + "040000 tree " + folder + "\tx\n"));
  const GitId tip =
      line.add(line.tree(line.file("large", std::string(1024, 'l')) +
                         line.file("less", std::string(1023, 's')) + line.file("same", "same") +
                         "040000 tree " + folder + "\tx\n" + "040000 tree " + folder +
                         "\ty\n160000 commit " + old.hex() + "\tmodule\n"),
               {old});
  line.bring(tip);
  const std::map<std::string, int> expected = {
      {"deep", 1}, {"gone", 1}, {"same", 1}, {std::string(1023, 's'), 1}};
  EXPECT_EQ(line.visits({tip, old}), expected);
  EXPECT_EQ(line.visits({old}).size(), 3u);
  EXPECT_TRUE(line.visits({}).empty());
}

// 2^40 paths, forty objects.
TEST(History, ATreeThatUnfoldsWithoutEndIsReadOnce) {
  Line line;
  std::string folder = line.tree(line.file("leaf", "leaf"));
  for (int i = 0; i < 40; ++i) {
    folder = line.tree("040000 tree " + folder + "\ta\n040000 tree " + folder + "\tb\n");
  }
  const GitId tip = line.add(folder);
  line.bring(tip);
  EXPECT_EQ(line.visits({tip}), (std::map<std::string, int>{{"leaf", 1}}));
}

TEST(History, WhatIsMissingIsSaid) {
  Line line;
  const GitId absent = *GitId::from_hex(std::string(40, 'a'));
  EXPECT_FALSE(history_of(line.repository, absent).ok());
  EXPECT_FALSE(message_of(line.repository, absent).ok());
  const Status visited = visit_small_blobs(line.repository, {absent}, [](std::string_view) {});
  ASSERT_FALSE(visited.ok());
  EXPECT_EQ(visited.error().kind, ErrorKind::kCorrupt) << visited.error().message;
}

}  // namespace
}  // namespace hubrev::testing
