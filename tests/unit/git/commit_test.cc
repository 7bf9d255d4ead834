#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "plugin/git/commit_writer.h"
#include "plugin/git/read_commit.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/git/git_server.h"

namespace hubrev::testing {
namespace {

Repository scratch(const TempDir& dir) {
  return Repository::create(dir / "scratch").value();
}

// "dir.txt" sorts before "dir/" and "dir0" after it: git compares folders with a '/' at the end.
CommitContent tricky_content() {
  CommitContent content;
  content.files = {{"dir0", "0"},
                   {"dir/b.bin", std::string("\0\xff", 2)},
                   {"dir/a/deep.txt", "deep\r\n"},
                   {"dir.txt", "text\n"},
                   {"empty", ""},
                   {"\xe6\xa8\xa1\xe5\x9e\x8b/caf\xc3\xa9 1.json", "{}"},
                   {".gitattributes", "*.bin filter=lfs\n"}};
  content.message = "step 10\n\nTrailer: caf\xc3\xa9\n";
  content.signature = {"Ada Lovelace", "ada@example.test", 1'700'000'000};
  return content;
}

TEST(WriteRootCommit, GivesTheIdThatGitGives) {
  const TempDir dir;
  Repository repository = scratch(dir);
  const CommitContent content = tricky_content();
  const auto id = write_root_commit(repository, content);
  ASSERT_TRUE(id.ok()) << id.error().message;

  const GitServer git;
  std::string index;
  for (const GitBlob& file : content.files) {
    const std::string blob = git.git("hash-object -w --no-filters --stdin", file.bytes);
    index += "100644 " + blob + " 0\t" + file.path + '\0';
  }
  git.git("update-index -z --index-info", index);
  const std::string tree = git.git("write-tree");
  const std::string commit = "tree " + tree +
                             "\nauthor Ada Lovelace <ada@example.test> 1700000000 +0000"
                             "\ncommitter Ada Lovelace <ada@example.test> 1700000000 +0000\n\n" +
                             content.message;
  EXPECT_EQ(id->hex(), git.git("hash-object -t commit --stdin", commit));
  EXPECT_EQ(tree_id(repository, *id)->hex(), tree);
  // Golden: a change of this id would push every revision again.
  EXPECT_EQ(id->hex(), "e6ebc7d61cf65113bf9f45412529f76e7eec0c4a");
}

TEST(WriteRootCommit, TheOrderOfFilesDoesNotMatter) {
  const TempDir dir;
  Repository repository = scratch(dir);
  CommitContent content = tricky_content();
  const GitId first = write_root_commit(repository, content).value();
  std::reverse(content.files.begin(), content.files.end());
  EXPECT_EQ(write_root_commit(repository, content).value(), first);
}

TEST(WriteRootCommit, RefusesPathsThatGitCannotHold) {
  const TempDir dir;
  Repository repository = scratch(dir);
  const std::string deep = [] {
    std::string path;
    for (int i = 0; i < 5000; ++i) path += "d/";
    return path + "f";
  }();
  const std::vector<std::vector<std::string>> rows = {
      {""},
      {"/abs"},
      {"a//b"},
      {"a/"},
      {"."},
      {"a/./b"},
      {".."},
      {"a/../b"},
      {".git"},
      {".GIT/config"},
      {"a/.git"},
      {"a/.Git/b"},
      {"a", "a"},
      {"a", "a/b"},
      {"a/b", "a"},
      {"a/b/c", "a/b"},
      {"x/y", "x/y"},
      {deep},
      {std::string("nul\0byte", 8)},
  };
  for (const auto& paths : rows) {
    CommitContent content = tricky_content();
    content.files.clear();
    for (const std::string& path : paths) content.files.push_back({path, "x"});
    const auto id = write_root_commit(repository, content);
    ASSERT_FALSE(id.ok()) << paths.front();
    EXPECT_EQ(id.error().kind, ErrorKind::kInvalidInput) << id.error().message;
    EXPECT_NE(id.error().message.find("'" + paths.back() + "'"), std::string::npos)
        << id.error().message;
  }
}

TEST(WriteRootCommit, TakesPathsThatOnlyLookOdd) {
  const TempDir dir;
  Repository repository = scratch(dir);
  CommitContent content = tricky_content();
  content.files = {{".gitignore", ""}, {"...", ""}, {"a.git", ""}, {".github/x", ""},
                   {"git", ""},        {"-rf", ""}, {" ", ""},     {"a\tb\nc", ""},
                   {"A", "1"},         {"a", "2"},  {"b\\c", ""},  {"\xff\xfe", ""}};
  const auto id = write_root_commit(repository, content);
  ASSERT_TRUE(id.ok()) << id.error().message;
  EXPECT_EQ(read_commit(repository, *id)->files.size(), content.files.size());
}

TEST(WriteRootCommit, RefusesSignaturesAndMessagesThatGitWouldBend) {
  const TempDir dir;
  Repository repository = scratch(dir);
  const auto kind_with = [&](auto&& change) {
    CommitContent content = tricky_content();
    change(content);
    const auto id = write_root_commit(repository, content);
    return id.ok() ? "accepted" : std::string(to_string(id.error().kind));
  };
  EXPECT_EQ(kind_with([](CommitContent& c) { c.signature.name = ""; }), "invalid_input");
  EXPECT_EQ(kind_with([](CommitContent& c) { c.signature.name = "a<b"; }), "invalid_input");
  EXPECT_EQ(kind_with([](CommitContent& c) { c.signature.email = "a>b"; }), "invalid_input");
  EXPECT_EQ(kind_with([](CommitContent& c) { c.message = std::string("a\0b", 3); }),
            "invalid_input");
  EXPECT_EQ(kind_with([](CommitContent& c) { c.message = ""; }), "accepted");
}

TEST(WriteRootCommit, HoldsNothingWhenThereAreNoFiles) {
  const TempDir dir;
  Repository repository = scratch(dir);
  CommitContent content = tricky_content();
  content.files.clear();
  const GitId id = write_root_commit(repository, content).value();
  EXPECT_EQ(tree_id(repository, id)->hex(), "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
  EXPECT_TRUE(read_commit(repository, id)->files.empty());
}

TEST(ReadCommit, ReturnsWhatWasWritten) {
  const TempDir dir;
  Repository repository = scratch(dir);
  CommitContent content = tricky_content();
  content.files.push_back({"just-small", std::string(1023, 's')});
  content.files.push_back({"large", std::string(1024, 'l')});
  const GitId id = write_root_commit(repository, content).value();
  const auto info = read_commit(repository, id);
  ASSERT_TRUE(info.ok()) << info.error().message;
  EXPECT_EQ(info->id, id);
  EXPECT_EQ(info->message, content.message);
  EXPECT_EQ(info->unix_seconds, 1'700'000'000);
  ASSERT_EQ(info->files.size(), content.files.size());
  for (const GitBlob& file : content.files) {
    const auto at = std::find_if(info->files.begin(), info->files.end(),
                                 [&](const TreeFile& one) { return one.path == file.path; });
    ASSERT_NE(at, info->files.end()) << file.path;
    EXPECT_EQ(at->size, file.bytes.size());
    EXPECT_EQ(at->mode, 0100644u);
    EXPECT_EQ(at->small_bytes, file.path == "large" ? "" : file.bytes);
  }
}

TEST(ReadCommit, UnknownCommitsAreNotFound) {
  const TempDir dir;
  Repository repository = scratch(dir);
  const GitId unknown = *GitId::from_hex(std::string(40, 'a'));
  EXPECT_EQ(read_commit(repository, unknown).error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(tree_id(repository, unknown).error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(write_changed_commit(repository, unknown, {}, {}, "m", {"n", "e", 1}).error().kind,
            ErrorKind::kNotFound);
  const GitId known = write_root_commit(repository, tricky_content()).value();
  EXPECT_EQ(write_changed_commit(repository, known, {}, {unknown}, "m", {"n", "e", 1}).error().kind,
            ErrorKind::kNotFound);
}

// Twelve trees, each naming the next one ten times, unfold to 10^12 entries.
TEST(ReadCommit, DoesNotUnfoldATreeBomb) {
  World world;
  std::string tree = world.server.git("mktree", "");
  for (int level = 0; level < 12; ++level) {
    std::string entries;
    for (char name = '0'; name <= '9'; ++name) {
      entries += "040000 tree " + tree + "\t" + std::string(1, name) + "\n";
    }
    tree = world.server.git("mktree", entries);
  }
  const std::string commit = world.server.git("commit-tree " + tree, "bomb\n");
  world.server.git("update-ref refs/heads/main " + commit);
  ASSERT_TRUE(fetch(world.repository, world.remote, {"refs/heads/main"}, {}).ok());
  const auto info = read_commit(world.repository, *GitId::from_hex(commit));
  ASSERT_FALSE(info.ok());
  EXPECT_EQ(info.error().kind, ErrorKind::kRejected);
}

TEST(ReadCommit, DoesNotFollowFoldersWithoutEnd) {
  World world;
  const std::string blob = world.server.git("hash-object -w --stdin", "x");
  std::string tree = world.server.git("mktree", "100644 blob " + blob + "\tfile\n");
  for (int level = 0; level < 70; ++level) {
    tree = world.server.git("mktree", "040000 tree " + tree + "\td\n");
  }
  const std::string commit = world.server.git("commit-tree " + tree, "deep\n");
  world.server.git("update-ref refs/heads/main " + commit);
  ASSERT_TRUE(fetch(world.repository, world.remote, {"refs/heads/main"}, {}).ok());
  EXPECT_EQ(read_commit(world.repository, *GitId::from_hex(commit)).error().kind,
            ErrorKind::kRejected);
}

TEST(Repository, KeepsNewObjectsInMemory) {
  const TempDir dir;
  Repository repository = scratch(dir);
  const auto files = [&] {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(repository.path())) {
      count += entry.is_regular_file() ? 1 : 0;
    }
    return count;
  };
  const std::size_t before = files();
  const GitId id = write_root_commit(repository, tricky_content()).value();
  EXPECT_TRUE(read_commit(repository, id).ok());
  EXPECT_EQ(files(), before);
  Repository other = scratch(dir);
  EXPECT_FALSE(read_commit(other, id).ok());
}

TEST(Repository, IsForItsUserAlone) {
  const TempDir dir;
  const Repository repository = scratch(dir);
  const auto mode = std::filesystem::status(dir / "scratch").permissions();
  EXPECT_EQ(mode & std::filesystem::perms::mask, std::filesystem::perms::owner_all);
}

TEST(Repository, AFileInItsPlaceIsAnError) {
  const TempDir dir;
  dir.write("scratch", "a file");
  const auto repository = Repository::create(dir / "scratch");
  ASSERT_FALSE(repository.ok());
  EXPECT_EQ(repository.error().kind, ErrorKind::kIo);
  EXPECT_NE(repository.error().message.find(dir / "scratch"), std::string::npos);
}

}  // namespace
}  // namespace hubrev::testing
