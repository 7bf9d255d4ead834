#include <gmock/gmock.h>

#include <filesystem>

#include "plugin/spool/job_id.h"
#include "plugin/spool/spool.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/spool/record_fixture.h"

namespace hubrev {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::record_of;

class Records : public ::testing::Test {
 protected:
  std::string put(const std::string& job_id, const std::string& text) const {
    return temp_.write("spool/" + job_id + "/job.json", text);
  }
  SpoolContents read() const {
    auto contents = read_spool(root_);
    EXPECT_TRUE(contents.ok());
    return contents.ok() ? std::move(contents).value() : SpoolContents();
  }
  static std::string text_of(const std::string& job_id) { return to_text(record_of(job_id)); }

  testing::TempDir temp_;
  const std::string root_ = temp_ / "spool";
  const std::string id_ = make_job_id(1'769'860'800'123, 1);
  const std::string later_ = make_job_id(1'769'860'800'124, 0);
};

TEST_F(Records, AMissingSpoolIsEmpty) {
  const SpoolContents contents = read();
  EXPECT_TRUE(contents.records.empty());
  EXPECT_TRUE(contents.problems.empty());
  EXPECT_FALSE(fs::exists(root_));
}

TEST_F(Records, AFileIsNoSpool) {
  const auto contents = read_spool(temp_.write("file", "x"));
  ASSERT_FALSE(contents.ok());
  EXPECT_EQ(contents.error().kind, ErrorKind::kIo);
  EXPECT_THAT(contents.error().message, HasSubstr("'spool_dir'"));
}

TEST_F(Records, AreSortedById) {
  put(later_, text_of(later_));
  put(id_, text_of(id_));
  const SpoolContents contents = read();
  ASSERT_EQ(contents.records.size(), 2u);
  EXPECT_EQ(contents.records[0].id, id_);
  EXPECT_EQ(contents.records[1].id, later_);
}

TEST_F(Records, CanBeReadWhileTheSpoolIsOwned) {
  put(id_, text_of(id_));
  const auto owner = Spool::open(root_);
  ASSERT_TRUE(owner.ok());
  EXPECT_EQ(read().records.size(), 1u);
  EXPECT_FALSE(Spool::open(root_).ok());  // reading did not drop the owner's lock
}

TEST_F(Records, FilesAndStagingAreNoJobs) {
  temp_.write("spool/worker.log", "x");
  temp_.write("spool/lock", "");
  temp_.write("spool/tmp-" + id_ + "/files/a", "x");
  fs::create_directory_symlink(temp_.path(), root_ + "/link");
  const SpoolContents contents = read();
  EXPECT_TRUE(contents.records.empty());
  EXPECT_TRUE(contents.problems.empty());
}

TEST_F(Records, WhatIsNoRecordIsAProblem) {
  struct Row {
    const char* name;
    std::string text;
    const char* says;
  };
  const Row rows[] = {
      {"zeros after a power cut", std::string(500, '\0'), "not a job record"},
      {"another shape", "[1, 2]", "not a job record"},
      {"nested without end", std::string(200'000, '['), "not a job record"},
      {"another job's", text_of(later_), "the record of another job"},
  };
  for (const Row& row : rows) {
    put(id_, row.text);
    const SpoolContents contents = read();
    EXPECT_TRUE(contents.records.empty()) << row.name;
    ASSERT_EQ(contents.problems.size(), 1u) << row.name;
    EXPECT_THAT(contents.problems[0], HasSubstr(row.says)) << row.name;
    EXPECT_THAT(contents.problems[0], HasSubstr(id_)) << row.name;
  }
}

TEST_F(Records, AFolderWithoutARecordIsAProblem) {
  temp_.write("spool/" + id_ + "/files/model.safetensors", "w");
  const SpoolContents contents = read();
  ASSERT_EQ(contents.problems.size(), 1u);
  EXPECT_THAT(contents.problems[0], HasSubstr(id_));
  EXPECT_TRUE(fs::exists(root_ + "/" + id_ + "/files/model.safetensors"));
}

TEST_F(Records, AnOwnerKeepsWhatItCannotRead) {
  const std::string path = put(id_, "{\"id\":");
  { ASSERT_TRUE(Spool::open(root_).ok()); }
  EXPECT_TRUE(fs::exists(path));
}

TEST_F(Records, ACancelReachesTheOwner) {
  put(id_, text_of(id_));
  EXPECT_FALSE(cancel_requested(root_, id_));
  ASSERT_TRUE(request_cancel(root_, id_).ok());
  EXPECT_TRUE(cancel_requested(root_, id_));
  EXPECT_TRUE(request_cancel(root_, id_).ok());  // again is harmless
  EXPECT_FALSE(cancel_requested(root_, later_));
  EXPECT_EQ(read().records.size(), 1u);
}

TEST_F(Records, ACancelOfNoJob) {
  fs::create_directory(root_);
  const Status unknown = request_cancel(root_, id_);
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().kind, ErrorKind::kNotFound);
  temp_.write("outside/x", "x");
  const Status hostile = request_cancel(root_, "../outside");
  ASSERT_FALSE(hostile.ok());
  EXPECT_EQ(hostile.error().kind, ErrorKind::kInvalidInput);
  EXPECT_FALSE(fs::exists(temp_ / "outside/cancel"));
  EXPECT_FALSE(cancel_requested(root_, "../outside"));
}

}  // namespace
}  // namespace hubrev
