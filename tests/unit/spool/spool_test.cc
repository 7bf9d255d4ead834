#include "plugin/spool/spool.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>
#include <utility>

#include "plugin/base/clock.h"
#include "plugin/spool/job_id.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/spool/record_fixture.h"

namespace hubrev {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::record_of;

class SpoolTest : public ::testing::Test {
 protected:
  // Owns the spool until the next call or reset().
  Spool& open() {
    spool_.reset();
    auto opened = Spool::open(root_);
    EXPECT_TRUE(opened.ok());
    spool_ = std::make_unique<Spool>(std::move(opened).value());
    return *spool_;
  }
  static std::string submit(Spool& spool) {
    const std::string id = spool.new_job_id();
    Spool::Begun begun = spool.begin_snapshot().value();
    fs::create_directory(begun.folder() + "/files");
    EXPECT_TRUE(std::move(begun).publish(record_of(id)).ok());
    return id;
  }
  std::vector<JobRecord> records() const {
    auto contents = read_spool(root_);
    EXPECT_TRUE(contents.ok());
    return std::move(contents).value().records;
  }

  testing::TempDir temp_;
  const std::string root_ = temp_ / "out/_hub_revisions";
  std::unique_ptr<Spool> spool_;
};

TEST_F(SpoolTest, IsPrivateAndAbsolute) {
  const Spool& spool = open();
  EXPECT_EQ(spool.root(), root_);
  struct stat info {};
  ASSERT_EQ(::stat(root_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);

  spool_.reset();
  const fs::path before = fs::current_path();
  fs::current_path(temp_.path());
  const auto relative = Spool::open("out/./_hub_revisions/");
  fs::current_path(before);
  ASSERT_TRUE(relative.ok());
  EXPECT_EQ(relative.value().root(), fs::canonical(root_).string());
}

TEST_F(SpoolTest, APublishedJobIsWhole) {
  Spool& spool = open();
  const std::string id = spool.new_job_id();
  auto begun = spool.begin_snapshot();
  ASSERT_TRUE(begun.ok());
  EXPECT_EQ(begun->folder(), root_ + "/next");
  temp_.write("out/_hub_revisions/next/files/config.json", "{}");
  EXPECT_TRUE(records().empty());
  ASSERT_TRUE(std::move(*begun).publish(record_of(id)).ok());

  EXPECT_FALSE(fs::exists(root_ + "/next"));
  EXPECT_EQ(testing::TempDir::read(spool.files_directory(id) + "/config.json"), "{}");
  const auto found = records();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(to_text(found[0]), to_text(record_of(id)));
}

TEST_F(SpoolTest, APreparedFolderBecomesTheNextSnapshots) {
  Spool& spool = open();
  spool.prepare();
  spool.prepare();  // there is one already
  for (const bool prepared : {true, false}) {
    auto begun = spool.begin_snapshot();
    ASSERT_TRUE(begun.ok());
    EXPECT_EQ(fs::is_directory(begun->folder() + "/files"), prepared);
    EXPECT_TRUE(std::move(*begun).publish(record_of(spool.new_job_id())).ok());
  }
  EXPECT_EQ(records().size(), 2u);
}

TEST_F(SpoolTest, WhatASubmitHasBegunIsNotPreparedAgain) {
  Spool& spool = open();
  auto begun = spool.begin_snapshot();
  ASSERT_TRUE(begun.ok());
  spool.prepare();
  EXPECT_TRUE(fs::is_empty(begun->folder()));
  temp_.write("out/_hub_revisions/next/files/config.json", "{}");
  const std::string id = spool.new_job_id();
  ASSERT_TRUE(std::move(*begun).publish(record_of(id)).ok());
  spool.prepare();
  EXPECT_EQ(testing::TempDir::read(spool.files_directory(id) + "/config.json"), "{}");
  EXPECT_TRUE(fs::is_empty(root_ + "/next/files"));
}

TEST_F(SpoolTest, PreparingAndSubmittingMeetAtAnyMoment) {
  Spool& spool = open();
  std::atomic<bool> done = false;
  std::thread watcher([&] {
    while (!done) spool.prepare();
  });
  constexpr std::size_t kJobs = 500;
  for (std::size_t job = 0; job < kJobs; ++job) {
    auto begun = spool.begin_snapshot();
    ASSERT_TRUE(begun.ok());
    struct stat before {};
    struct stat after {};
    ASSERT_EQ(::stat(begun->folder().c_str(), &before), 0);
    std::this_thread::sleep_for(std::chrono::microseconds(50));
    ASSERT_EQ(::stat(begun->folder().c_str(), &after), 0);
    EXPECT_EQ(before.st_ino, after.st_ino);  // not replaced
    const std::string files = begun->folder() + "/files";
    EXPECT_TRUE(::mkdir(files.c_str(), 0700) == 0 || errno == EEXIST);
    EXPECT_TRUE(std::ofstream(files + "/config.json").good());
    if (job % 5 == 0) continue;  // abandoned
    EXPECT_TRUE(std::move(*begun).publish(record_of(spool.new_job_id())).ok());
  }
  done = true;
  watcher.join();
  const auto jobs = records();
  EXPECT_EQ(jobs.size(), kJobs - kJobs / 5);
  for (const JobRecord& job : jobs) {
    EXPECT_TRUE(fs::exists(spool.files_directory(job.id) + "/config.json"));
  }
  spool.release();
  for (const auto& entry : fs::directory_iterator(root_)) {
    EXPECT_FALSE(entry.path().filename().string().starts_with("tmp-")) << entry.path();
  }
}

TEST_F(SpoolTest, WhatWasPreparedIsNoJobAndLeavesWithTheOwner) {
  Spool& spool = open();
  spool.prepare();
  const std::string id = spool.new_job_id();
  {
    const auto begun = spool.begin(id);  // for a record without a snapshot
    ASSERT_TRUE(begun.ok());
    EXPECT_TRUE(fs::is_empty(begun->folder()));
  }
  EXPECT_TRUE(records().empty());
  EXPECT_TRUE(fs::exists(root_ + "/next"));
  spool.release();
  EXPECT_FALSE(fs::exists(root_ + "/next"));
  fs::create_directories(root_ + "/next/files");  // a killed owner's
  open();
  EXPECT_FALSE(fs::exists(root_ + "/next"));
}

TEST_F(SpoolTest, AnAbandonedJobIsGone) {
  Spool& spool = open();
  {
    const auto begun = spool.begin_snapshot();
    ASSERT_TRUE(begun.ok());
    temp_.write("out/_hub_revisions/next/files/config.json", "{}");
  }
  EXPECT_FALSE(fs::exists(root_ + "/next"));
  {
    auto begun = spool.begin(spool.new_job_id());
    ASSERT_TRUE(begun.ok());
    EXPECT_FALSE(std::move(*begun).publish(record_of("no id")).ok());
  }
  for (const auto& entry : fs::directory_iterator(root_)) {
    EXPECT_FALSE(entry.is_directory()) << entry.path();
  }
  EXPECT_TRUE(records().empty());
}

TEST_F(SpoolTest, TheNextOwnerRemovesWhatAKilledSubmitLeft) {
  const std::string published = submit(open());
  const std::string without_snapshot = root_ + "/tmp-" + spool_->new_job_id();
  temp_.write("out/_hub_revisions/next/files/model.safetensors", "half");
  fs::create_directory(without_snapshot);
  open();
  EXPECT_FALSE(fs::exists(root_ + "/next"));
  EXPECT_FALSE(fs::exists(without_snapshot));
  ASSERT_EQ(records().size(), 1u);
  EXPECT_EQ(records()[0].id, published);
}

TEST_F(SpoolTest, ReadingRemovesNothing) {
  Spool& spool = open();
  const auto begun = spool.begin_snapshot();
  ASSERT_TRUE(begun.ok());
  EXPECT_TRUE(records().empty());
  EXPECT_TRUE(fs::exists(begun->folder()));
}

TEST_F(SpoolTest, SavesEveryState) {
  Spool& spool = open();
  const std::string id = submit(spool);
  JobRecord record = record_of(id);
  for (const JobState state : {JobState::kUploading, JobState::kPushing, JobState::kDone}) {
    record.state = state;
    record.commit = std::string(to_string(state));
    ASSERT_TRUE(spool.save(record).ok());
    ASSERT_EQ(records().size(), 1u);
    EXPECT_EQ(records()[0].state, state);
    EXPECT_EQ(records()[0].commit, record.commit);
  }
}

TEST_F(SpoolTest, SavesTextThatIsNoUtf8) {
  Spool& spool = open();
  const std::string id = submit(spool);
  JobRecord record = record_of(id);
  record.error = make_error(ErrorKind::kServer, "caf\xE9");
  ASSERT_TRUE(spool.save(record).ok());
  ASSERT_EQ(records().size(), 1u);
  EXPECT_EQ(records()[0].error->message, "caf\xEF\xBF\xBD");
}

TEST_F(SpoolTest, FreesEverythingButTheRecord) {
  Spool& spool = open();
  const std::string id = submit(spool);
  const std::string job = "out/_hub_revisions/" + id;
  temp_.write(job + "/files/sub/model.safetensors", "w");
  temp_.write(job + "/files.small", "{}");
  temp_.write(job + "/card.md", "card");
  temp_.write(job + "/git/objects/ab/cd", "o");
  temp_.write(job + "/progress.json", "{}");
  temp_.write(job + "/progress.json.tmp", "{");  // its writer was killed
  EXPECT_EQ(spool.card_path(id), temp_ / (job + "/card.md"));
  EXPECT_EQ(spool.work_directory(id), temp_ / (job + "/git"));
  ASSERT_TRUE(spool.free_snapshot(id).ok());
  EXPECT_FALSE(fs::exists(spool.files_directory(id)));
  EXPECT_FALSE(fs::exists(pack_path(spool.files_directory(id))));
  EXPECT_FALSE(fs::exists(spool.card_path(id)));
  EXPECT_FALSE(fs::exists(spool.work_directory(id)));
  EXPECT_FALSE(fs::exists(temp_ / (job + "/progress.json")));
  EXPECT_FALSE(fs::exists(temp_ / (job + "/progress.json.tmp")));
  EXPECT_TRUE(spool.free_snapshot(id).ok());
  EXPECT_EQ(records().size(), 1u);
}

TEST_F(SpoolTest, ShowsNoProgressOfAJobThatWasFreed) {
  Spool& spool = open();
  const std::string id = submit(spool);
  const std::string shown = root_ + "/" + id + "/progress.json";
  spool.show_progress(id, {{"bytes_sent", 1}});
  EXPECT_TRUE(fs::exists(shown));
  ASSERT_TRUE(spool.free_snapshot(id).ok());
  spool.show_progress(id, {{"bytes_sent", 2}});  // by who looked at it before
  EXPECT_FALSE(fs::exists(shown));
}

TEST_F(SpoolTest, FreeingFollowsNoLink) {
  Spool& spool = open();
  const std::string id = submit(spool);
  const std::string precious = temp_.write("precious/file", "x");
  fs::create_directory_symlink(temp_ / "precious", spool.files_directory(id) + "/link");
  ASSERT_TRUE(spool.free_snapshot(id).ok());
  EXPECT_TRUE(fs::exists(precious));
}

TEST_F(SpoolTest, IdsAreUniqueAndSortByCreation) {
  Spool& spool = open();
  std::string last;
  for (int i = 0; i < 2000; ++i) {
    std::string id = spool.new_job_id();
    EXPECT_LT(last, id);
    last = std::move(id);
  }
}

TEST_F(SpoolTest, IdsOfSeveralThreadsDiffer) {
  Spool& spool = open();
  std::vector<std::vector<std::string>> ids(4);
  {
    std::vector<std::jthread> threads;
    for (auto& mine : ids) {
      threads.emplace_back([&spool, &mine] {
        for (int i = 0; i < 500; ++i) mine.push_back(spool.new_job_id());
      });
    }
  }
  std::set<std::string> all;
  for (const auto& mine : ids) all.insert(mine.begin(), mine.end());
  EXPECT_EQ(all.size(), 2000u);
}

TEST_F(SpoolTest, IdsGoOnSortingWhenTheClockWasSetBack) {
  open();
  const std::string later = make_job_id(system_clock().unix_ms() + 3'600'000, 0xFFFFFF);
  ASSERT_TRUE(spool_->begin(later).value().publish(record_of(later)).ok());
  EXPECT_GT(open().new_job_id(), later);
}

TEST_F(SpoolTest, RefusesIdsThatAreNone) {
  Spool& spool = open();
  const std::string precious = temp_.write("out/precious/files/x", "x");
  for (const std::string id : {"", "..", "../precious", "job"}) {
    EXPECT_EQ(spool.begin(id).error().kind, ErrorKind::kInvalidInput) << id;
    auto begun = spool.begin_snapshot();
    ASSERT_TRUE(begun.ok());
    const Status published = std::move(*begun).publish(record_of(id));
    EXPECT_EQ(published.error().kind, ErrorKind::kInvalidInput) << id;
    EXPECT_EQ(spool.save(record_of(id)).error().kind, ErrorKind::kInvalidInput) << id;
    EXPECT_EQ(spool.free_snapshot(id).error().kind, ErrorKind::kInvalidInput) << id;
  }
  EXPECT_TRUE(fs::exists(precious));
}

TEST_F(SpoolTest, AFailureNamesThePathAndTheSetting) {
  const std::string file = temp_.write("file", "x");
  const auto in_a_file = Spool::open(file + "/spool");
  ASSERT_FALSE(in_a_file.ok());
  EXPECT_EQ(in_a_file.error().kind, ErrorKind::kIo);
  EXPECT_THAT(in_a_file.error().message, AllOf(HasSubstr(file), HasSubstr("'spool_dir'")));
  const auto a_file = Spool::open(file);
  ASSERT_FALSE(a_file.ok());
  EXPECT_THAT(a_file.error().message, AllOf(HasSubstr(file), HasSubstr("'spool_dir'")));
  const auto nowhere = Spool::open("");
  ASSERT_FALSE(nowhere.ok());
  EXPECT_EQ(nowhere.error().kind, ErrorKind::kConfig);

  Spool& spool = open();
  fs::remove_all(root_);
  const auto begun = spool.begin(spool.new_job_id());
  ASSERT_FALSE(begun.ok());
  EXPECT_EQ(begun.error().kind, ErrorKind::kIo);
  EXPECT_THAT(begun.error().message, AllOf(HasSubstr(root_), HasSubstr("'spool_dir'")));
}

TEST_F(SpoolTest, AFolderThatWasThereKeepsWhatItHeld) {
  temp_.write("out/_hub_revisions/tmp-experiments/notes.txt", "mine");
  temp_.write("out/_hub_revisions/results/job.json", "{}");
  open();
  EXPECT_EQ(testing::TempDir::read(root_ + "/tmp-experiments/notes.txt"), "mine");
  const auto contents = read_spool(root_);
  ASSERT_TRUE(contents.ok());
  EXPECT_TRUE(contents->records.empty());
  EXPECT_TRUE(contents->problems.empty());
}

TEST_F(SpoolTest, NobodyElseMayWriteRecords) {
  fs::create_directories(root_);
  fs::permissions(root_, fs::perms::all);
  open();
  EXPECT_EQ(fs::status(root_).permissions(), fs::perms::owner_all);
}

TEST_F(SpoolTest, AnUnwritableFolderNamesThePathAndTheSetting) {
  fs::create_directories(root_);
  // What others may not is no reason to change a mode, and so to make it writable.
  fs::permissions(root_, fs::perms::owner_read | fs::perms::owner_exec);
  if (::geteuid() == 0) {
    // Root writes everywhere: look through the eyes of somebody else.
    fs::permissions(temp_.path(), fs::perms::all);
    constexpr uid_t kNobody = 65534;
    ASSERT_EQ(::chown(root_.c_str(), kNobody, kNobody), 0);
    ASSERT_EQ(::seteuid(kNobody), 0);
  }
  const auto spool = Spool::open(root_);
  ASSERT_EQ(::seteuid(::getuid()), 0);
  ASSERT_FALSE(spool.ok());
  EXPECT_EQ(spool.error().kind, ErrorKind::kIo);
  EXPECT_THAT(spool.error().message, AllOf(HasSubstr(root_), HasSubstr("'spool_dir'")));
}

}  // namespace
}  // namespace hubrev
