#include "plugin/types/snapshot.h"

#include <gmock/gmock.h>

#include "plugin/types/target.h"

namespace hubrev {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> paths_of(const Snapshot& snapshot) {
  std::vector<std::string> paths;
  for (const Entry& entry : snapshot.entries) paths.push_back(entry.path);
  return paths;
}

TEST(Snapshot, EntriesStaySortedAndUnique) {
  Snapshot snapshot;
  for (const char* path : {"b", "a/x", "c", "a"})
    put_entry(snapshot, {path, Source::from_bytes("1")});
  EXPECT_THAT(paths_of(snapshot), ElementsAre("a", "a/x", "b", "c"));
  put_entry(snapshot, {"b", Source::from_bytes("22")});
  EXPECT_THAT(paths_of(snapshot), ElementsAre("a", "a/x", "b", "c"));
  ASSERT_NE(find_entry(snapshot, "b"), nullptr);
  EXPECT_EQ(find_entry(snapshot, "b")->source.size(), 2u);
  remove_entry(snapshot, "a");
  remove_entry(snapshot, "zz");
  EXPECT_THAT(paths_of(snapshot), ElementsAre("a/x", "b", "c"));
  EXPECT_EQ(find_entry(snapshot, "a"), nullptr);
  EXPECT_EQ(find_entry(Snapshot(), "a"), nullptr);
}

TEST(RepositoryUrl, HasTheSuffixOnPlainGitServersOnly) {
  Target target;
  target.endpoint = "https://example.com";
  target.repo_id = "a/b";
  EXPECT_EQ(repository_url(target), "https://example.com/a/b");
  target.provider = Provider::kGit;
  EXPECT_EQ(repository_url(target), "https://example.com/a/b.git");
  target.repo_id = "a/b.git";
  EXPECT_EQ(repository_url(target), "https://example.com/a/b.git");
}

}  // namespace
}  // namespace hubrev
