#include "plugin/lfs/hash_files.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "plugin/base/sha256.h"
#include "plugin/lfs/piece_hasher.h"
#include "tests/support/temp_dir.h"

namespace hubrev {
namespace {

std::string content(std::size_t size, std::size_t seed) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>((seed + i) % 251);
  return bytes;
}

std::vector<FileToHash> all_of(const std::vector<LfsFile>& files, std::vector<LfsObject>& objects) {
  objects.resize(files.size());
  std::vector<FileToHash> to_hash;
  for (std::size_t i = 0; i < files.size(); ++i) to_hash.push_back({&files[i], &objects[i]});
  return to_hash;
}

TEST(HashFiles, EveryDigestWhateverTheFilesBesideIt) {
  // Around a buffer's size, far apart, and of several parts, none of which is whole blocks.
  std::vector<std::string> bytes;
  for (const std::size_t size :
       {1u << 20, (1u << 18) + 1, 1u << 18, (1u << 18) - 1, 100u, 64u, 1u}) {
    bytes.push_back(content(size, bytes.size()));
  }
  std::vector<LfsFile> files;
  for (const std::string& text : bytes) {
    files.push_back({"file-" + std::to_string(files.size()),
                     Source::concatenate({Source::from_bytes(text.substr(0, text.size() / 3)),
                                          Source::from_bytes(text.substr(text.size() / 3))})});
  }
  files[0].pieces = {1000, 500'000};
  Progress progress;
  std::vector<LfsObject> objects;
  ASSERT_TRUE(hash_files(all_of(files, objects), progress, {}).ok());
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    EXPECT_EQ(objects[i].path, files[i].path);
    EXPECT_EQ(objects[i].oid, sha256(bytes[i])) << i;
    EXPECT_EQ(objects[i].size, bytes[i].size());
    total += bytes[i].size();
  }
  PieceHasher at_once(files[0].pieces);
  at_once.update(bytes[0]);
  EXPECT_EQ(objects[0].pieces, at_once.finish());
  EXPECT_EQ(objects[0].pieces[0], xxh3(bytes[0].substr(0, 1000)));
  EXPECT_TRUE(objects[1].pieces.empty());
  EXPECT_EQ(progress.bytes_hashed, total);
}

TEST(HashFiles, AnErrorNamesTheFile) {
  const testing::TempDir folder;

  const std::vector<LfsFile> files = {
      {"whole", Source::from_bytes("abc")},
      {"weights", Source::from_file(folder.write("short", "abc"), 4)},
  };
  Progress progress;
  std::vector<LfsObject> objects;
  const Status status = hash_files(all_of(files, objects), progress, {});
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorKind::kCorrupt);
  EXPECT_NE(status.error().message.find("hashing weights"), std::string::npos);
}

TEST(HashFiles, StopsWhenAsked) {
  const std::vector<LfsFile> files = {{"whole", Source::from_bytes("abc")}};
  Progress progress;
  std::vector<LfsObject> objects;
  std::stop_source stop;
  stop.request_stop();
  const Status status = hash_files(all_of(files, objects), progress, stop.get_token());
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorKind::kCancelled);
  EXPECT_EQ(progress.bytes_hashed, 0u);
}

}  // namespace
}  // namespace hubrev
