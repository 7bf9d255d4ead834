// upload_files() into a repository's folder.
#include "plugin/lfs/file_store.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temp_dir.h"
#include "tests/unit/lfs/lfs_fixture.h"

namespace hubrev {
namespace {

namespace fs = std::filesystem;

class FileStore : public testing::LfsTest {
 protected:
  FileStore() {
    fs::create_directory(repository_);
    server_.url = "file://" + repository_;
  }

  std::string write(const std::string& name, const std::string& bytes) {
    const std::string path = dir_ / name;
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  LfsFile file_at(const std::string& path) {
    return {"model.bin", Source::from_file(path, fs::file_size(path))};
  }
  std::string object(const std::string& bytes) const {
    return object_path(repository_, sha256(bytes));
  }
  std::string content(const std::string& bytes) const { return *read_file(object(bytes), 1 << 20); }
  static struct stat info_of(const std::string& path) {
    struct stat info {};
    EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
    return info;
  }
  bool nothing_is_left_over() const { return fs::is_empty(repository_ + "/lfs/tmp"); }

  testing::TempDir dir_;
  std::string repository_ = dir_ / "model.git";
};

TEST_F(FileStore, AFileThatNobodyElseHasIsLinked) {
  const std::string frozen = write("frozen", "weights");
  ASSERT_TRUE(upload({file_at(frozen)}).ok());
  EXPECT_EQ(content("weights"), "weights");
  EXPECT_EQ(info_of(object("weights")).st_ino, info_of(frozen).st_ino);
  EXPECT_EQ(progress_.bytes_sent, 0u);
  EXPECT_EQ(progress_.bytes_present, 7u);
  EXPECT_TRUE(nothing_is_left_over());
  EXPECT_TRUE(http_.seen().empty());
}

// The trainer may save that checkpoint again, into the same file.
TEST_F(FileStore, AFileWhoseCheckpointIsStillThereIsCopied) {
  const std::string checkpoint = write("checkpoint", "weights");
  const std::string frozen = dir_ / "frozen";
  fs::create_hard_link(checkpoint, frozen);
  ASSERT_TRUE(upload({file_at(frozen)}).ok());
  write("checkpoint", "rewritten");
  EXPECT_EQ(content("weights"), "weights");
  EXPECT_EQ(progress_.bytes_sent, 7u);
  EXPECT_TRUE(nothing_is_left_over());
}

TEST_F(FileStore, PartsOfFilesAndMemoryBecomeOneObject) {
  const std::string frozen = write("frozen", "0123456789");
  const Source shard =
      Source::concatenate({Source::from_bytes("header:"), Source::from_range({frozen, 2, 3}),
                           Source::from_range({frozen, 7, 2})});
  ASSERT_TRUE(upload({{"shard", shard}, {"range", Source::from_range({frozen, 4, 5})}}).ok());
  EXPECT_EQ(content("header:23478"), "header:23478");
  EXPECT_EQ(content("45678"), "45678");
}

TEST_F(FileStore, WhoMayReadTheRepositoryMayReadItsObjectsAndNobodyWritesThem) {
  fs::permissions(repository_, fs::perms(0750));
  ASSERT_TRUE(upload({file("a", "in memory")}).ok());
  EXPECT_EQ(info_of(object("in memory")).st_mode & 07777, 0440u);
}

TEST_F(FileStore, WhatIsThereIsNotStoredAgain) {
  ASSERT_TRUE(upload({file("a", "bytes")}).ok());
  const auto before = info_of(object("bytes"));
  ASSERT_TRUE(upload({file("b", "bytes")}).ok());
  EXPECT_EQ(info_of(object("bytes")).st_ino, before.st_ino);
  EXPECT_EQ(progress_.bytes_sent, 5u);
  EXPECT_EQ(progress_.bytes_present, 5u);
}

// Left by something that was cut off before it had this form.
TEST_F(FileStore, AnObjectOfAnotherSizeIsReplaced) {
  fs::create_directories(fs::path(object("bytes")).parent_path());
  std::ofstream(object("bytes")) << "by";
  ASSERT_TRUE(upload({file("a", "bytes")}).ok());
  EXPECT_EQ(content("bytes"), "bytes");
}

TEST_F(FileStore, NothingAppearsUnderANameThatItsBytesNoLongerHave) {
  int asked = 0;
  context_.still_unchanged = [&]() -> Status {
    if (++asked == 1) return {};  // before it is stored
    return make_error(ErrorKind::kCorrupt, "changed while pending");
  };
  const auto stored = upload({file_at(write("frozen", "weights"))});
  ASSERT_FALSE(stored.ok());
  EXPECT_EQ(stored.error().kind, ErrorKind::kCorrupt);
  EXPECT_FALSE(fs::exists(object("weights")));
  EXPECT_TRUE(nothing_is_left_over());
}

TEST_F(FileStore, CancelledItLeavesNothing) {
  context_.still_unchanged = [&]() -> Status {
    stop_.request_stop();
    return {};
  };
  const auto stored = upload({file("a", std::string(1 << 20, 'x'))});
  ASSERT_FALSE(stored.ok());
  EXPECT_EQ(stored.error().kind, ErrorKind::kCancelled);
  EXPECT_TRUE(list_objects(repository_)->empty());
}

TEST_F(FileStore, AFolderThatIsGoneIsNamed) {
  fs::remove_all(repository_);
  const auto stored = upload({file("weights.bin", "bytes")});
  ASSERT_FALSE(stored.ok());
  EXPECT_EQ(stored.error().kind, ErrorKind::kIo);
  EXPECT_NE(stored.error().message.find("weights.bin"), std::string::npos);
  EXPECT_NE(stored.error().message.find(repository_), std::string::npos);
  EXPECT_FALSE(fs::exists(repository_));
}

TEST_F(FileStore, ListsAndDeletesObjects) {
  EXPECT_TRUE(list_objects(repository_)->empty());
  ASSERT_TRUE(upload({file("a", "first"), file("b", "2nd")}).ok());
  write("model.git/lfs/objects/notes", "no object");
  const auto listed = list_objects(repository_);
  ASSERT_TRUE(listed.ok());
  ASSERT_EQ(listed->size(), 2u);
  std::uint64_t bytes = 0;
  for (const FileObject& one : *listed) {
    bytes += one.size;
    EXPECT_GT(one.stored_ms, 1'700'000'000'000);
  }
  EXPECT_EQ(bytes, 8u);
  ASSERT_TRUE(delete_object(repository_, sha256("first")).ok());
  ASSERT_TRUE(delete_object(repository_, sha256("first")).ok());
  EXPECT_EQ(list_objects(repository_)->size(), 1u);
}

}  // namespace
}  // namespace hubrev
