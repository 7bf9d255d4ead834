#include "plugin/base/file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

#include "tests/support/temp_dir.h"

namespace hubrev {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) != -1;
}

mode_t mode_of(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
  return info.st_mode & 0777;
}

class FileTest : public ::testing::Test {
 protected:
  testing::TempDir temp_;
};

TEST_F(FileTest, ADescriptorIsClosedOnce) {
  const std::string path = temp_.write("a", "x");
  int raw = -1;
  {
    Fd first(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    raw = first.get();
    ASSERT_TRUE(first);
    Fd second(std::move(first));
    EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): its contract
    EXPECT_EQ(second.get(), raw);
    Fd third;
    third = std::move(second);
    EXPECT_TRUE(is_open(raw));
  }
  EXPECT_FALSE(is_open(raw));
}

TEST_F(FileTest, AssigningClosesTheOldDescriptor) {
  const std::string path = temp_.write("a", "x");
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const int raw = fd.get();
  fd = Fd();
  EXPECT_FALSE(is_open(raw));
}

TEST_F(FileTest, ReadsUpToItsLimit) {
  const std::string bytes("a\0b\n\xFF", 5);
  const std::string path = temp_.write("file", bytes);
  EXPECT_EQ(read_file(path, 5).value(), bytes);
  const auto over = read_file(path, 4);
  ASSERT_FALSE(over.ok());
  EXPECT_EQ(over.error().kind, ErrorKind::kInvalidInput);
  EXPECT_THAT(over.error().message, HasSubstr(path));
  EXPECT_EQ(read_file(temp_.write("empty", ""), 0).value(), "");
}

TEST_F(FileTest, ReadsFilesOnly) {
  const auto missing = read_file(temp_ / "missing", 10);
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().kind, ErrorKind::kIo);
  EXPECT_THAT(missing.error().message, HasSubstr("missing"));
  const auto folder = read_file(temp_.path().string(), 1 << 20);
  ASSERT_FALSE(folder.ok());
  EXPECT_EQ(folder.error().kind, ErrorKind::kInvalidInput);
}

TEST_F(FileTest, WritesAtomicallyAndPrivately) {
  const std::string path = temp_ / "record.json";
  for (const Durability durability : {Durability::kRename, Durability::kSync}) {
    ASSERT_TRUE(write_file_atomic(path, "first", durability).ok());
    EXPECT_EQ(mode_of(path), 0600u);
    ASSERT_TRUE(write_file_atomic(path, "2nd", durability).ok());
    EXPECT_EQ(testing::TempDir::read(path), "2nd");
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(temp_.path()), {}), 1);
}

TEST_F(FileTest, AReaderKeepsTheFileItOpened) {
  const std::string path = temp_.write("record.json", "old");
  const Fd reader(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(write_file_atomic(path, "new", Durability::kRename).ok());
  char buffer[8] = {};
  EXPECT_EQ(::read(reader.get(), buffer, sizeof buffer), 3);
  EXPECT_STREQ(buffer, "old");
}

TEST_F(FileTest, AFailedWriteNamesThePath) {
  const Status in_nothing = write_file_atomic(temp_ / "missing/x", "x", Durability::kRename);
  ASSERT_FALSE(in_nothing.ok());
  EXPECT_EQ(in_nothing.error().kind, ErrorKind::kIo);
  EXPECT_THAT(in_nothing.error().message, HasSubstr("missing/x"));
  const Fd read_only(::open(temp_.write("a", "").c_str(), O_RDONLY | O_CLOEXEC));
  const Status refused = write_all(read_only.get(), "x", "the thing");
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("cannot write the thing"));
}

TEST_F(FileTest, AnAbsolutePathHasOneSpelling) {
  const std::string here = std::filesystem::current_path().string();
  const std::pair<std::string, std::string> rows[] = {
      {"/a/b", "/a/b"},
      {"/a/b/", "/a/b"},
      {"//a//b", "/a/b"},
      {"/a/./b/../c", "/a/c"},
      {"/a/.b", "/a/.b"},
      {"/a/..", "/"},
      {"/", "/"},
      {".", here},
      {"a", here + "/a"},
      {"./a/", here + "/a"},
      {"a/../b", here + "/b"},
  };
  for (const auto& [path, spelling] : rows) EXPECT_EQ(absolute_path(path), spelling) << path;
}

TEST_F(FileTest, MakesAPrivateFolderAndItsParents) {
  const std::string path = temp_ / "a/b/c";
  ASSERT_TRUE(make_private_directory(path).ok());
  EXPECT_EQ(mode_of(path), 0700u);
  EXPECT_TRUE(make_private_directory(path).ok());
  const std::string file = temp_.write("file", "x");
  const Status on_a_file = make_private_directory(file);
  ASSERT_FALSE(on_a_file.ok());
  EXPECT_EQ(on_a_file.error().kind, ErrorKind::kIo);
  EXPECT_THAT(on_a_file.error().message, HasSubstr(file));
  EXPECT_FALSE(make_private_directory(file + "/below").ok());
}

}  // namespace
}  // namespace hubrev
