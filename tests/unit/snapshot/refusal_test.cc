// Checkpoints that cannot be published as they are.
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/snapshot/freeze.h"
#include "tests/unit/snapshot/checkpoint_fixture.h"

namespace hubrev {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

class Refusal : public testing::CheckpointTest {
 protected:
  Refusal() { add("config.json"); }

  // invalid_input that says `what` about `name`, with nothing left behind.
  void expect_refused(const std::string& name, const std::string& what) const {
    const auto outcome = freeze();
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.error().kind, ErrorKind::kInvalidInput);
    EXPECT_THAT(outcome.error().message, AllOf(HasSubstr(name), HasSubstr(what)));
    EXPECT_TRUE(fs::is_empty(job_));
  }
};

TEST_F(Refusal, AMissingFolder) {
  fs::remove_all(checkpoint_);
  expect_refused("checkpoint-500", "does not exist");
}

TEST_F(Refusal, AFile) {
  fs::remove_all(checkpoint_);
  temp_.write("checkpoint-500", "not a folder");
  expect_refused("checkpoint-500", "is not a folder");
}

TEST_F(Refusal, AnEmptyFolder) {
  fs::remove(checkpoint_ + "/config.json");
  fs::create_directory(checkpoint_ + "/sub");
  expect_refused("checkpoint-500", "holds no file to publish");
}

TEST_F(Refusal, NothingButResumeState) {
  fs::remove(checkpoint_ + "/config.json");
  add("optimizer.pt");
  expect_refused("checkpoint-500", "'contents'");
}

TEST_F(Refusal, AnUnfinishedSave) {
  add("checkpoint-is-incomplete.txt", "");
  expect_refused("checkpoint-500", "still being written");
}

TEST_F(Refusal, ALinkThatLeaves) {
  add_link("shadow", "/etc/passwd");
  expect_refused("shadow", "outside the checkpoint");
}

TEST_F(Refusal, ALinkToAFolderThatLeaves) {
  temp_.write("checkpoint-500-best/secret", "x");  // a sibling whose name starts the same
  add_link("sub/best", "../../checkpoint-500-best");
  expect_refused("sub/best", "outside the checkpoint");
}

TEST_F(Refusal, ADanglingLink) {
  add_link("model.safetensors", "blobs/gone");
  expect_refused("model.safetensors", "symbolic link to nothing");
}

TEST_F(Refusal, ALinkToItself) {
  add_link("loop", "loop");
  expect_refused("loop", "symbolic link to itself");
}

TEST_F(Refusal, ALinkToTheCheckpoint) {
  add_link("here", ".");
  expect_refused("here", "symbolic link to the checkpoint");
}

TEST_F(Refusal, ACycleOfFolders) {
  add("a/file");
  add_link("a/b/up", "../../a");
  expect_refused("checkpoint-500/a", "reached again through a symbolic link");
}

TEST_F(Refusal, APipe) {
  ASSERT_EQ(::mkfifo((checkpoint_ + "/pipe").c_str(), 0600), 0);
  expect_refused("pipe", "neither a file nor a folder");
}

TEST_F(Refusal, ALinkToADevice) {
  add_link("zero", "/dev/zero");
  expect_refused("zero", "outside the checkpoint");
}

TEST_F(Refusal, NamesThatNoRevisionCanHold) {
  for (const std::string name : {".GIT/config", "git~1", "a\nb", "a\\b", "caf\xE9.txt"}) {
    const std::string path = add(name);
    const auto outcome = freeze();
    ASSERT_FALSE(outcome.ok()) << name;
    EXPECT_EQ(outcome.error().kind, ErrorKind::kInvalidInput);
    EXPECT_THAT(outcome.error().message, HasSubstr("cannot be published because its name"));
    EXPECT_EQ(outcome.error().message.find('\n'), std::string::npos);
    fs::remove_all(checkpoint_ + "/" + name.substr(0, name.find('/')));
  }
  EXPECT_TRUE(freeze().ok());
}

TEST_F(Refusal, FoldersNestedTooDeep) {
  std::string name;
  for (int i = 0; i < 64; ++i) name += "d/";
  add(name + "file");
  expect_refused("d/d/d", "64 folders deep");
}

TEST_F(Refusal, TooManyEntriesInOneFolder) {
  fs::create_directory(checkpoint_ + "/many");
  for (int i = 0; i <= 10'000; ++i) {
    fs::create_symlink("x", checkpoint_ + "/many/" + std::to_string(i));
  }
  expect_refused("many", "more than 10000 entries");
}

TEST_F(Refusal, ACheckpointThatHoldsTheSpool) {
  const std::string spool = checkpoint_ + "/spool/tmp-1";
  fs::create_directories(spool);
  const auto outcome = freeze_checkpoint({checkpoint_, spool + "/files"});
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().kind, ErrorKind::kInvalidInput);
  EXPECT_THAT(outcome.error().message, HasSubstr("'spool_dir'"));
  EXPECT_TRUE(fs::is_empty(spool));
}

TEST_F(Refusal, AnUnreadableFileLeavesNothingBehind) {
  const std::string secret = add("zz-last.json", "x");
  fs::permissions(secret, fs::perms::none);
  if (::geteuid() == 0) {
    // Root reads everything: look through the eyes of somebody else.
    constexpr uid_t kNobody = 65534;
    fs::permissions(temp_.path(), fs::perms::all);
    fs::permissions(job_, fs::perms::all);
    ASSERT_EQ(::seteuid(kNobody), 0);
  }
  const auto outcome = freeze();
  ASSERT_EQ(::seteuid(::getuid()), 0);
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().kind, ErrorKind::kInvalidInput);
  EXPECT_THAT(outcome.error().message, AllOf(HasSubstr("zz-last.json"), HasSubstr("read access")));
  EXPECT_TRUE(fs::is_empty(job_));
}

TEST_F(Refusal, ADestinationThatIsThereIsLeftAlone) {
  temp_.write("job/files/precious", "x");
  const auto outcome = freeze();
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().kind, ErrorKind::kIo);
  EXPECT_THAT(outcome.error().message, HasSubstr("'spool_dir'"));
  EXPECT_TRUE(fs::exists(files_ + "/precious"));
}

TEST_F(Refusal, APackThatIsThereIsLeftAlone) {
  temp_.write("job/files.small", "precious");
  const auto outcome = freeze();
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().kind, ErrorKind::kIo);
  EXPECT_THAT(outcome.error().message, AllOf(HasSubstr("files.small"), HasSubstr("'spool_dir'")));
  EXPECT_FALSE(fs::exists(files_));
  EXPECT_EQ(testing::TempDir::read(pack_), "precious");
}

TEST_F(Refusal, ADestinationWithoutAParent) {
  const auto outcome = freeze_checkpoint({checkpoint_, job_ + "/missing/files"});
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().kind, ErrorKind::kIo);
}

}  // namespace
}  // namespace hubrev
