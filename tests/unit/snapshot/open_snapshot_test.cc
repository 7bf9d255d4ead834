#include "plugin/snapshot/open_snapshot.h"

#include <gmock/gmock.h>

#include <cstdio>
#include <fstream>
#include <limits>

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
  void empty_job() const {
    fs::remove_all(job_);
    fs::create_directory(job_);
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
  const std::pair<const char*, std::string> files[] = {
      {"config.json", "{\"a\": 1}"},
      {"model.safetensors", std::string(kHardLinkFromBytes, 'w')},
      {"sub/extra.json", "[]"}};
  for (const auto& [path, bytes] : files) {
    const Entry* entry = find_entry(snapshot.value(), path);
    ASSERT_NE(entry, nullptr) << path;
    const auto read = entry->source.read_all(kHardLinkFromBytes);
    ASSERT_TRUE(read.ok()) << path;
    EXPECT_TRUE(read.value() == bytes) << path;
  }
  EXPECT_TRUE(verify_unchanged(snapshot.value()).ok());
}

// Both kinds of file in the spool.
const std::string kStored[] = {"files.small", "files/model.safetensors"};

TEST_F(OpenSnapshot, AMissingFile) {
  for (const std::string& stored : kStored) {
    auto files = frozen();
    fs::remove(job_ + "/" + stored);
    const auto snapshot = open_snapshot(files_, std::move(files));
    ASSERT_FALSE(snapshot.ok()) << stored;
    expect_corrupt(snapshot.error(), stored, "missing");
    empty_job();
  }
}

TEST_F(OpenSnapshot, AnotherSize) {
  for (const std::string& stored : kStored) {
    auto files = frozen();
    fs::resize_file(job_ + "/" + stored, 3);
    const auto snapshot = open_snapshot(files_, std::move(files));
    ASSERT_FALSE(snapshot.ok()) << stored;
    expect_corrupt(snapshot.error(), stored, "changed while pending");
    empty_job();
    add("model.safetensors", std::string(kHardLinkFromBytes, 'w'));
  }
}

TEST_F(OpenSnapshot, ALinkInAFilesPlace) {
  for (const std::string& stored : kStored) {
    auto files = frozen();
    fs::remove(job_ + "/" + stored);
    fs::create_symlink("/etc/passwd", job_ + "/" + stored);
    const auto snapshot = open_snapshot(files_, std::move(files));
    ASSERT_FALSE(snapshot.ok()) << stored;
    expect_corrupt(snapshot.error(), stored, "no regular file");
    empty_job();
  }
}

TEST_F(OpenSnapshot, ARangeThatIsNotInItsFile) {
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
  struct Row {
    const char* path;
    std::uint64_t offset;
    std::uint64_t length;
    bool fits;
  };
  // The pack is "{\"a\": 1}[]", of 10 bytes.
  const Row rows[] = {{"config.json", 0, 10, true},
                      {"config.json", 10, 0, true},
                      {"config.json", 0, 11, false},
                      {"config.json", 3, 8, false},
                      {"config.json", 11, 0, false},
                      {"config.json", 5, kMax, false},
                      {"config.json", kMax, 1, false},
                      {"config.json", kMax, kMax, false},
                      {"model.safetensors", 0, kHardLinkFromBytes, true},
                      {"model.safetensors", 1, kHardLinkFromBytes - 1, false},
                      {"model.safetensors", 0, 0, false},
                      {"model.safetensors", 0, kMax, false}};
  const std::vector<FrozenFile> good = frozen();
  for (const Row& row : rows) {
    std::vector<FrozenFile> files = good;
    for (FrozenFile& file : files) {
      if (file.path != row.path) continue;
      file.offset = row.offset;
      file.length = row.length;
    }
    const auto snapshot = open_snapshot(files_, std::move(files));
    ASSERT_EQ(snapshot.ok(), row.fits) << row.path << " " << row.offset << " " << row.length;
    if (!row.fits) expect_corrupt(snapshot.error(), row.path, "wrong range");
  }
}

TEST_F(OpenSnapshot, ARecordThatLeadsOutOfTheSpool) {
  temp_.write("job/secret", "x");
  const std::vector<FrozenFile> good = frozen();
  for (const std::string path : {"../secret", "/etc/passwd", "", "sub/../../secret"}) {
    std::vector<FrozenFile> files = good;
    files.push_back({path, FreezeMethod::kCopy, {0, 1, 0}, 0, 1});
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

// Only then are bytes lost, and with them what the snapshot was for.
TEST_F(VerifyUnchanged, KnowsWhatTheTrainerOverwrote) {
  share();
  EXPECT_FALSE(was_overwritten(files_, snapshot_.frozen));
  {
    std::fstream file(weights_, std::ios::in | std::ios::out | std::ios::binary);
    file << "W";
  }
  EXPECT_TRUE(was_overwritten(files_, snapshot_.frozen));
}

TEST_F(VerifyUnchanged, ACopiedSpoolIsRefusedButNotOverwritten) {
  share();
  const std::string copy = job_ + "-copy";
  fs::copy(job_, copy, fs::copy_options::recursive);
  for (const std::string& stored : kStored) {
    fs::last_write_time(copy + "/" + stored, fs::last_write_time(job_ + "/" + stored));
  }
  fs::remove_all(job_);
  fs::rename(copy, job_);
  const Status status = verify_unchanged(snapshot_);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorKind::kCorrupt);
  EXPECT_NE(status.error().message.find("is not the file that was frozen"), std::string::npos)
      << status.error().message;
  EXPECT_FALSE(was_overwritten(files_, snapshot_.frozen));
  fs::remove_all(job_);
  EXPECT_FALSE(was_overwritten(files_, snapshot_.frozen)) << "missing";
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

TEST_F(VerifyUnchanged, ARewriteOfAPackedFileIsNoChange) {
  share();
  add("config.json", "{\"other\": 2}");
  EXPECT_TRUE(verify_unchanged(snapshot_).ok());
}

TEST_F(VerifyUnchanged, DetectsAReplacedPack) {
  share();
  fs::remove(pack_);
  temp_.write("job/files.small", "{\"a\": 2}[]");
  const Status status = verify_unchanged(snapshot_);
  ASSERT_FALSE(status.ok());
  expect_corrupt(status.error(), "files.small", "changed while pending");
}

TEST_F(VerifyUnchanged, DetectsAMissingFile) {
  for (const std::string& stored : kStored) {
    share();
    fs::remove(job_ + "/" + stored);
    const Status status = verify_unchanged(snapshot_);
    ASSERT_FALSE(status.ok()) << stored;
    expect_corrupt(status.error(), stored, "missing");
    empty_job();
  }
}

}  // namespace
}  // namespace hubrev
