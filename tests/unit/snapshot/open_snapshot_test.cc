#include "plugin/snapshot/open_snapshot.h"

#include <gmock/gmock.h>

#include <cstdio>
#include <fstream>

#include "tests/unit/snapshot/checkpoint_fixture.h"

namespace hubrev {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

class OpenSnapshot : public testing::CheckpointTest {
 protected:
  OpenSnapshot() {
    weights_ = add("model.safetensors", std::string(kHardLinkFromBytes, 'w'));
    add("config.json", "{\"a\": 1}");
    add("sub/extra.json", "[]");
    // Far in the past, so that a rewrite cannot fall into the same tick of the file system's clock.
    for (const auto& entry : fs::recursive_directory_iterator(checkpoint_)) {
      if (entry.is_regular_file()) {
        fs::last_write_time(entry.path(), fs::file_time_type::clock::now() - std::chrono::hours(1));
      }
    }
  }

  std::vector<FrozenFile> frozen() const {
    auto outcome = freeze();
    EXPECT_TRUE(outcome.ok());
    return outcome.ok() ? std::move(outcome).value().frozen : std::vector<FrozenFile>();
  }
  void expect_corrupt(const Error& error, const std::string& name, const std::string& what) const {
    EXPECT_EQ(error.kind, ErrorKind::kCorrupt);
    EXPECT_THAT(error.message, AllOf(HasSubstr(name), HasSubstr(what)));
  }

  std::string weights_;
};

TEST_F(OpenSnapshot, GivesOneEntryPerFrozenFile) {
  const auto snapshot = open_snapshot(files_, frozen());
  ASSERT_TRUE(snapshot.ok()) << snapshot.error().message;
  EXPECT_EQ(snapshot.value().root, files_);
  ASSERT_EQ(snapshot.value().entries.size(), 3u);
  const Entry* config = find_entry(snapshot.value(), "config.json");
  ASSERT_NE(config, nullptr);
  const auto bytes = config->source.read_all(100);
  ASSERT_TRUE(bytes.ok());
  EXPECT_EQ(bytes.value(), "{\"a\": 1}");
  EXPECT_TRUE(verify_unchanged(snapshot.value()).ok());
}

TEST_F(OpenSnapshot, AMissingFile) {
  auto files = frozen();
  fs::remove(frozen_file("config.json"));
  const auto snapshot = open_snapshot(files_, std::move(files));
  ASSERT_FALSE(snapshot.ok());
  expect_corrupt(snapshot.error(), "config.json", "missing");
}

TEST_F(OpenSnapshot, AnotherSize) {
  auto files = frozen();
  fs::resize_file(frozen_file("config.json"), 3);
  const auto snapshot = open_snapshot(files_, std::move(files));
  ASSERT_FALSE(snapshot.ok());
  expect_corrupt(snapshot.error(), "config.json", "changed while pending");
}

TEST_F(OpenSnapshot, ALinkInAFilesPlace) {
  auto files = frozen();
  fs::remove(frozen_file("config.json"));
  fs::create_symlink("/etc/passwd", frozen_file("config.json"));
  const auto snapshot = open_snapshot(files_, std::move(files));
  ASSERT_FALSE(snapshot.ok());
  expect_corrupt(snapshot.error(), "config.json", "no regular file");
}

TEST_F(OpenSnapshot, ARecordThatLeadsOutOfTheSpool) {
  temp_.write("job/secret", "x");
  const std::vector<FrozenFile> good = frozen();
  for (const std::string path : {"../secret", "/etc/passwd", "", "sub/../../secret"}) {
    std::vector<FrozenFile> files = good;
    files.push_back({path, FreezeMethod::kCopy, {0, 1, 0}});
    const auto snapshot = open_snapshot(files_, std::move(files));
    ASSERT_FALSE(snapshot.ok()) << path;
    expect_corrupt(snapshot.error(), path, "no path of a snapshot");
  }
}

TEST_F(OpenSnapshot, ARecordThatNamesAFileTwice) {
  auto files = frozen();
  files.push_back(files.front());
  const auto snapshot = open_snapshot(files_, std::move(files));
  ASSERT_FALSE(snapshot.ok());
  expect_corrupt(snapshot.error(), "config.json", "twice");
}

class VerifyUnchanged : public OpenSnapshot {
 protected:
  // A snapshot whose model.safetensors shares its inode with the trainer's.
  void share() {
    auto files = frozen();
    ASSERT_EQ(files.size(), 3u);
    ASSERT_EQ(files[1].method, FreezeMethod::kHardLink);
    auto opened = open_snapshot(files_, std::move(files));
    ASSERT_TRUE(opened.ok());
    snapshot_ = std::move(opened).value();
  }
  Snapshot snapshot_;
};

TEST_F(VerifyUnchanged, DetectsARewriteInPlaceUnderAHardLink) {
  share();
  {
    std::fstream file(weights_, std::ios::in | std::ios::out | std::ios::binary);
    file << "W";  // the same size
  }
  const Status status = verify_unchanged(snapshot_);
  ASSERT_FALSE(status.ok());
  expect_corrupt(status.error(), "model.safetensors", "changed while pending");
}

TEST_F(VerifyUnchanged, DetectsATruncationUnderAHardLink) {
  share();
  std::ofstream(weights_, std::ios::trunc).flush();
  const Status status = verify_unchanged(snapshot_);
  ASSERT_FALSE(status.ok());
  expect_corrupt(status.error(), "model.safetensors", "changed while pending");
}

TEST_F(VerifyUnchanged, AFileRenamedOverTheTrainersIsNoChange) {
  share();
  const std::string fresh = temp_.write("fresh", "new weights");
  ASSERT_EQ(std::rename(fresh.c_str(), weights_.c_str()), 0);
  EXPECT_TRUE(verify_unchanged(snapshot_).ok());
}

TEST_F(VerifyUnchanged, ADeletedCheckpointIsNoChange) {
  share();
  fs::remove_all(checkpoint_);
  EXPECT_TRUE(verify_unchanged(snapshot_).ok());
}

TEST_F(VerifyUnchanged, ARewriteOfACopiedFileIsNoChange) {
  share();
  add("config.json", "{\"other\": 2}");
  EXPECT_TRUE(verify_unchanged(snapshot_).ok());
}

TEST_F(VerifyUnchanged, DetectsAFileReplacedInTheSpool) {
  share();
  fs::remove(frozen_file("config.json"));
  temp_.write("job/files/config.json", "{\"a\": 2}");
  const Status status = verify_unchanged(snapshot_);
  ASSERT_FALSE(status.ok());
  expect_corrupt(status.error(), "config.json", "changed while pending");
}

TEST_F(VerifyUnchanged, DetectsAMissingFile) {
  share();
  fs::remove(frozen_file("sub/extra.json"));
  const Status status = verify_unchanged(snapshot_);
  ASSERT_FALSE(status.ok());
  expect_corrupt(status.error(), "sub/extra.json", "missing");
}

}  // namespace
}  // namespace hubrev
