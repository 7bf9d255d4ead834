#include "plugin/pipeline/plan.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "plugin/lfs/pointer.h"

namespace hubrev {
namespace {

Snapshot snapshot_of(std::vector<std::pair<std::string, std::string>> files) {
  Snapshot snapshot;
  for (auto& [path, bytes] : files)
    put_entry(snapshot, {path, Source::from_bytes(std::move(bytes))});
  return snapshot;
}

const GitBlob* find_blob(const std::vector<GitBlob>& blobs, const std::string& path) {
  const auto at = std::find_if(blobs.begin(), blobs.end(),
                               [&](const GitBlob& blob) { return blob.path == path; });
  return at == blobs.end() ? nullptr : &*at;
}

TEST(MakePlan, SplitsByContentLargestFirst) {
  const auto plan = make_plan(snapshot_of({{"config.json", "{}"},
                                           {"a.safetensors", std::string(10, 'x')},
                                           {"b.safetensors", std::string(20, 'x')},
                                           {"empty.bin", ""},
                                           {"raw", std::string("\0\1", 2)}}));
  ASSERT_TRUE(plan.ok());
  ASSERT_EQ(plan->lfs_files.size(), 3u);
  EXPECT_EQ(plan->lfs_files[0].path, "b.safetensors");
  EXPECT_EQ(plan->lfs_files[1].path, "a.safetensors");
  EXPECT_EQ(plan->lfs_files[2].path, "raw");
  EXPECT_NE(find_blob(plan->blobs, "config.json"), nullptr);
  ASSERT_NE(find_blob(plan->blobs, "empty.bin"), nullptr) << "an empty file is an empty blob";
  const GitBlob* attributes = find_blob(plan->blobs, ".gitattributes");
  ASSERT_NE(attributes, nullptr);
  EXPECT_NE(attributes->bytes.find("raw filter=lfs"), std::string::npos);
}

TEST(MakePlan, KeepsTheCheckpointsOwnAttributes) {
  const auto plan = make_plan(snapshot_of({{".gitattributes", "*.txt text\n"}, {"m.bin", "\1"}}));
  ASSERT_TRUE(plan.ok());
  const GitBlob* attributes = find_blob(plan->blobs, ".gitattributes");
  ASSERT_NE(attributes, nullptr);
  EXPECT_TRUE(attributes->bytes.starts_with("*.txt text\n"));
  EXPECT_EQ(std::count_if(plan->blobs.begin(), plan->blobs.end(),
                          [](const GitBlob& b) { return b.path == ".gitattributes"; }),
            1);
}

TEST(MakePlan, AMissingFileIsAnError) {
  Snapshot snapshot;
  put_entry(snapshot, {"gone.txt", Source::from_file("/nonexistent/gone.txt", 5)});
  EXPECT_FALSE(make_plan(snapshot).ok());
}

TEST(MakeCommitContent, HoldsPointersForObjects) {
  CommitPlan plan;
  plan.blobs = {{"config.json", "{}"}};
  const LfsObject object{"m.safetensors", Sha256(), 12};
  const CommitContent content = make_commit_content(plan, {object}, "message", {"n", "e", 7});
  ASSERT_EQ(content.files.size(), 2u);
  EXPECT_EQ(content.files[1].bytes, pointer_text(Sha256(), 12));
  EXPECT_EQ(content.message, "message");
  EXPECT_EQ(content.signature.unix_seconds, 7);
}

}  // namespace
}  // namespace hubrev
