#include "plugin/snapshot/freeze.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include "plugin/snapshot/stamp.h"
#include "tests/unit/snapshot/checkpoint_fixture.h"

namespace hubrev {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::Pair;

class Freeze : public testing::CheckpointTest {
 protected:
  // Everything below it, relative to it.
  static std::set<std::string> names_in(const std::string& folder) {
    std::set<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      names.insert(entry.path().lexically_relative(folder).string());
    }
    return names;
  }
};

TEST_F(Freeze, KeepsContentsAndOrderAndReportsWhatItLeftOut) {
  add("model.safetensors", "weights");
  add("config.json", "{\"a\": 1}");
  add("empty.txt", "");
  add("adapter/adapter_config.json", "{}");
  add("adapter-b.json", "b");
  add("optimizer.pt");
  add("global_step7/zero.pt");
  add("training_args.bin", "hf_secret");

  const auto outcome = freeze();
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  EXPECT_THAT(paths_of(outcome.value()),
              ElementsAre("adapter-b.json", "adapter/adapter_config.json", "config.json",
                          "empty.txt", "model.safetensors"));
  EXPECT_THAT(outcome.value().excluded,
              ElementsAre("global_step7/", "optimizer.pt", "training_args.bin"));
  EXPECT_THAT(frozen_contents(outcome.value()),
              ElementsAre(Pair("adapter-b.json", "b"), Pair("adapter/adapter_config.json", "{}"),
                          Pair("config.json", "{\"a\": 1}"), Pair("empty.txt", ""),
                          Pair("model.safetensors", "weights")));
}

TEST_F(Freeze, PutsAllSmallFilesIntoOnePack) {
  add("b.json", "bb");
  add("sub/deep/a.json", "a");
  add("empty.txt", "");
  add_sparse("large/model.safetensors", kHardLinkFromBytes);
  const auto outcome = freeze();
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  const struct stat info = stat_of(pack_);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_EQ(info.st_size, 3);
  ASSERT_THAT(paths_of(outcome.value()),
              ElementsAre("b.json", "empty.txt", "large/model.safetensors", "sub/deep/a.json"));
  const std::pair<std::uint64_t, std::uint64_t> ranges[] = {
      {0, 2}, {2, 0}, {0, kHardLinkFromBytes}, {2, 1}};
  for (std::size_t i = 0; i < 4; ++i) {
    const FrozenFile& file = outcome.value().frozen[i];
    const bool small = file.path != "large/model.safetensors";
    EXPECT_EQ(file.method, small ? FreezeMethod::kPacked : FreezeMethod::kHardLink) << file.path;
    EXPECT_EQ(std::pair(file.offset, file.length), ranges[i]) << file.path;
    EXPECT_EQ(file.stamp, stamp_of(small ? info : stat_of(frozen_file(file.path)))) << file.path;
  }
  EXPECT_EQ(names_in(job_), (std::set<std::string>{"files", "files.small", "files/large",
                                                   "files/large/model.safetensors"}));
}

TEST_F(Freeze, CreatesNoPackWithoutASmallFile) {
  add_sparse("model.safetensors", kHardLinkFromBytes);
  ASSERT_TRUE(freeze().ok());
  EXPECT_EQ(names_in(job_), (std::set<std::string>{"files", "files/model.safetensors"}));
}

TEST_F(Freeze, CreatesItsFolderAlsoWhenAllIsPacked) {
  add("config.json");
  ASSERT_TRUE(freeze().ok());
  EXPECT_EQ(names_in(job_), (std::set<std::string>{"files", "files.small"}));
  EXPECT_EQ(stat_of(files_).st_mode & 0777, 0700u);
}

TEST_F(Freeze, PacksFilesLargerThanItsBuffer) {
  std::string bytes(200'001, 'x');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i % 251);
  add("a.bin", bytes);
  add("b.bin", bytes + "end");
  const auto outcome = freeze();
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  const auto contents = frozen_contents(outcome.value());
  EXPECT_TRUE(contents.at("a.bin") == bytes);
  EXPECT_TRUE(contents.at("b.bin") == bytes + "end");
}

TEST_F(Freeze, FullContentsKeepTheResumeStateButNotTheToken) {
  add("model.safetensors");
  add("optimizer.pt");
  add("global_step7/zero.pt");
  add("training_args.bin", "hf_secret");
  const auto outcome = freeze({Contents::kFull});
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  EXPECT_THAT(paths_of(outcome.value()),
              ElementsAre("global_step7/zero.pt", "model.safetensors", "optimizer.pt"));
  EXPECT_THAT(outcome.value().excluded, ElementsAre("training_args.bin"));
}

TEST_F(Freeze, SharesLargeFilesAndPacksSmallOnes) {
  const std::string at_limit = add_sparse("at_limit.bin", kHardLinkFromBytes);
  const std::string below = add_sparse("below.bin", kHardLinkFromBytes - 1);
  const auto outcome = freeze();
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  ASSERT_EQ(outcome.value().frozen.size(), 2u);
  EXPECT_EQ(outcome.value().frozen[0].method, FreezeMethod::kHardLink);
  EXPECT_EQ(stat_of(at_limit).st_nlink, 2u);
  EXPECT_EQ(outcome.value().frozen[0].stamp.inode, stat_of(at_limit).st_ino);
  EXPECT_EQ(outcome.value().frozen[1].method, FreezeMethod::kPacked);
  EXPECT_EQ(outcome.value().frozen[1].length, kHardLinkFromBytes - 1);
  EXPECT_EQ(stat_of(below).st_nlink, 1u);
  EXPECT_NE(outcome.value().frozen[1].stamp.inode, stat_of(below).st_ino);
}

TEST_F(Freeze, LeavesNoTraceInTheCheckpoint) {
  add_sparse("model.safetensors", 4 * kHardLinkFromBytes);
  add("config.json");
  add("sub/file.json");
  const auto times = [&] {
    std::map<std::string, std::pair<std::int64_t, std::int64_t>> all;
    const auto note = [&](const std::string& path) {
      const struct stat info = stat_of(path);
      all[path] = {info.st_mtim.tv_sec, info.st_mtim.tv_nsec};
    };
    note(checkpoint_);
    for (const auto& entry : fs::recursive_directory_iterator(checkpoint_)) note(entry.path());
    return all;
  };
  const auto before = times();
  ASSERT_EQ(before.size(), 5u);
  ASSERT_TRUE(freeze().ok());
  EXPECT_EQ(times(), before);
}

TEST_F(Freeze, OutlivesTheCheckpoint) {
  add_sparse("model.safetensors", kHardLinkFromBytes);
  add("config.json", "{\"kept\": true}");
  const auto outcome = freeze();
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  fs::remove_all(checkpoint_);
  EXPECT_EQ(fs::file_size(frozen_file("model.safetensors")), kHardLinkFromBytes);
  EXPECT_EQ(frozen_contents(outcome.value()).at("config.json"), "{\"kept\": true}");
}

TEST_F(Freeze, CopiesAcrossFileSystems) {
  const std::string other = "/dev/shm";
  std::error_code code;
  if (!fs::is_directory(other, code) ||
      stat_of(other).st_dev == stat_of(temp_.path().string()).st_dev) {
    GTEST_SKIP() << other << " is no other file system than " << temp_.path();
  }
  std::string folder = other + "/hubrev-test-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) GTEST_SKIP() << "cannot write to " << other;
  const std::string large = std::string(3 * kHardLinkFromBytes + 5, 'w');
  const std::string source = add("model.safetensors", large);
  add("config.json", "{}");
  const auto outcome = freeze_checkpoint({checkpoint_, folder + "/files"});
  std::string frozen;
  if (outcome.ok()) frozen = frozen_bytes(outcome.value().frozen.back(), folder + "/files");
  fs::remove_all(folder);
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  EXPECT_TRUE(frozen == large);
  EXPECT_EQ(stat_of(source).st_nlink, 1u);
  ASSERT_EQ(outcome.value().frozen.size(), 2u);
  EXPECT_EQ(outcome.value().frozen[0].method, FreezeMethod::kPacked);
  EXPECT_EQ(outcome.value().frozen[1].method, FreezeMethod::kCopy);
  EXPECT_EQ(outcome.value().frozen[1].length, large.size());
}

TEST_F(Freeze, AStopEndsACopyAndLeavesNothing) {
  add("config.json", "{}");
  std::stop_source stop;
  stop.request_stop();
  const auto outcome = freeze_checkpoint({checkpoint_, files_, {}, 100, stop.get_token()});
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().kind, ErrorKind::kCancelled);
  EXPECT_FALSE(std::filesystem::exists(files_));
}

TEST_F(Freeze, FollowsLinksInsideTheCheckpoint) {
  add("weights/model.safetensors", "weights");
  add_link("model.safetensors", "weights/model.safetensors");
  add_link("absolute.safetensors", checkpoint_ + "/weights/model.safetensors");
  add_link("alias", "weights");
  const auto outcome = freeze();
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  EXPECT_THAT(paths_of(outcome.value()),
              ElementsAre("absolute.safetensors", "alias/model.safetensors", "model.safetensors",
                          "weights/model.safetensors"));
  for (const auto& [path, bytes] : frozen_contents(outcome.value())) {
    EXPECT_EQ(bytes, "weights") << path;
  }
}

TEST_F(Freeze, ALinkToALargeFileBecomesAFile) {
  const std::string weights = add_sparse("weights/model.safetensors", kHardLinkFromBytes);
  add_link("alias/model.safetensors", "../weights/model.safetensors");
  ASSERT_TRUE(freeze().ok());
  EXPECT_EQ(stat_of(frozen_file("alias/model.safetensors")).st_ino, stat_of(weights).st_ino);
}

TEST_F(Freeze, TheCheckpointItselfMayBeALink) {
  add("config.json");
  const std::string link = temp_ / "last";
  fs::create_directory_symlink(checkpoint_, link);
  const auto outcome = freeze_checkpoint({link, files_});
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  EXPECT_THAT(paths_of(outcome.value()), ElementsAre("config.json"));
}

TEST_F(Freeze, ALinkDoesNotSmuggleInWhatIsExcluded) {
  add("config.json");
  add("training_args.bin", "hf_secret");
  add("optimizer_0/state.distcp");
  add_link("args.dat", "training_args.bin");
  add_link("state", "optimizer_0");
  const auto outcome = freeze();
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  EXPECT_THAT(paths_of(outcome.value()), ElementsAre("config.json"));
  EXPECT_THAT(outcome.value().excluded,
              ElementsAre("args.dat", "optimizer_0/", "state/", "training_args.bin"));
}

TEST_F(Freeze, AnExcludedLinkMayLeadAnywhere) {
  add("config.json");
  add_link("runs", "/nonexistent/tensorboard");
  add_link("optimizer.pt", "/etc/passwd");
  const auto outcome = freeze();
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  EXPECT_THAT(paths_of(outcome.value()), ElementsAre("config.json"));
}

TEST_F(Freeze, SkipsOtherCheckpointsAndTheSpoolOfAnOutputFolder) {
  add("model.safetensors");
  add("checkpoint-100/model.safetensors");
  add("_hub_revisions/20260131T120000123Z-9f3a1c/files/model.safetensors");
  const std::string destination = checkpoint_ + "/_hub_revisions/files";
  const auto outcome = freeze_checkpoint({checkpoint_, destination, {Contents::kFull, {}}});
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  EXPECT_THAT(paths_of(outcome.value()), ElementsAre("model.safetensors"));
}

}  // namespace
}  // namespace hubrev
