#include "plugin/pipeline/lfs_purge.h"

#include <gtest/gtest.h>

#include "plugin/git/commit_writer.h"
#include "plugin/lfs/pointer.h"
#include "tests/support/temp_dir.h"

namespace hubrev {
namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;

Sha256 oid(char c) {
  return *Sha256::from_hex(std::string(64, c));
}

std::string names(const std::vector<StoredLfsFile>& files) {
  std::string all;
  for (const StoredLfsFile& file : files) all += file.oid.hex().substr(0, 1);
  return all;
}

TEST(Purgeable, IsWhatNothingNeedsAndIsDoomedOrOld) {
  const std::int64_t old = kNow - kUploadMs - 1;
  const std::vector<StoredLfsFile> stored = {
      {oid('a'), 1, old},               // needed
      {oid('b'), 1, old},               // needed although doomed: another revision has it too
      {oid('c'), 1, kNow},              // doomed
      {oid('d'), 1, old},               // left by somebody
      {oid('e'), 1, kNow - kUploadMs},  // a day old to the millisecond
      {oid('f'), 1, std::nullopt},      // who knows
      {oid('1'), 1, kNow + 1},          // the clocks differ
      {oid('c'), 1, kNow},              // once more, under another name
  };
  const Purgeable found =
      find_purgeable(stored, {oid('a'), oid('b')}, {oid('b'), oid('c'), oid('9')}, kNow);
  EXPECT_EQ(names(found.free), "cd");
  EXPECT_EQ(names(found.young), "ef1");
}

class ObjectsOf : public ::testing::Test {
 protected:
  GitId commit(const std::string& blob) {
    CommitContent content;
    content.files = {{"folder/model.safetensors", blob}, {"config.json", "{}"}};
    content.message = "x";
    content.signature = {"a", "a@example.test", 1'700'000'000};
    return write_root_commit(repository_, content).value();
  }
  std::set<Sha256> objects(const std::string& blob) {
    return objects_of(repository_, {commit(blob)}).value();
  }

  testing::TempDir dir_;
  Repository repository_ = Repository::create(dir_ / "scratch").value();
};

TEST_F(ObjectsOf, AllCommitsCount) {
  const GitId one = commit(pointer_text(oid('a'), 1));
  const GitId two = commit(pointer_text(oid('b'), 2));
  EXPECT_EQ(objects_of(repository_, {one, two}).value(), (std::set<Sha256>{oid('a'), oid('b')}));
  EXPECT_TRUE(objects_of(repository_, {}).value().empty());
}

// git-lfs would not write these, but reads them or did so once.
TEST_F(ObjectsOf, PointersOfOtherFormsCount) {
  const std::string hex(64, 'a');
  for (const std::string& text :
       {"version https://hawser.github.com/spec/v1\noid sha256:" + hex + "\nsize 1\n",
        "version https://git-lfs.github.com/spec/v1\r\noid sha256:" + hex + "\r\nsize 1\r\n",
        "version https://git-lfs.github.com/spec/v1\nsize 1\noid sha256:" + hex}) {
    EXPECT_EQ(objects(text), std::set<Sha256>{oid('a')}) << text;
  }
}

TEST_F(ObjectsOf, OrdinaryTextDoesNot) {
  const std::string hex(64, 'a');
  for (const std::string& text : {"oid sha256:" + hex, "version 1\nsha256:" + hex.substr(1),
                                  std::string("version 1"), std::string()}) {
    EXPECT_TRUE(objects(text).empty()) << text;
  }
}

TEST_F(ObjectsOf, ACommitThatIsNotThereIsAnError) {
  EXPECT_FALSE(objects_of(repository_, {*GitId::from_hex(std::string(40, 'a'))}).ok());
}

}  // namespace
}  // namespace hubrev
