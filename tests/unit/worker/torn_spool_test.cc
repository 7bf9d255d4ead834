// A worker starts on whatever a crash left in its spool, does the jobs that are whole, and says
// what it could not read.
#include <gmock/gmock.h>

#include <filesystem>

#include "plugin/spool/job_id.h"
#include "plugin/spool/spool.h"
#include "plugin/worker/worker.h"
#include "tests/support/temp_dir.h"

namespace hubrev {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::TempDir;

class TornSpool : public ::testing::Test {
 protected:
  // Two jobs wait in the spool; the first one's record is returned.
  std::string freeze_two() {
    dir_.write("checkpoint-1/config.json", "{}");
    const auto worker = start();
    for (const char* revision : {"torn", "whole"}) {
      Submission submission;
      submission.directory = dir_ / "checkpoint-1";
      submission.revision = revision;
      const auto id = worker->submit(submission);
      EXPECT_TRUE(id.ok());
      ids_.push_back(*id);
    }
    return dir_ / ("_hub_revisions/" + ids_[0] + "/job.json");
  }

  std::unique_ptr<Worker> start() {
    const nlohmann::json settings = {{"repo_id", "me/model"}, {"mode", "spool"}};
    auto worker = Worker::create({settings, Secret(), dir_.path().string(), ""});
    EXPECT_TRUE(worker.ok()) << worker.error().message;
    return worker.ok() ? std::move(worker).value() : nullptr;
  }

  void expect_only_the_whole_one(const std::string& what) {
    fs::remove(dir_ / "_hub_revisions/spool.log");
    const auto worker = start();
    ASSERT_NE(worker, nullptr) << what;
    const auto records = worker->status();
    ASSERT_EQ(records.size(), 1u) << what;
    EXPECT_EQ(records[0]["id"], ids_[1]) << what;
    EXPECT_EQ(records[0]["state"], "queued") << what;
    EXPECT_THAT(TempDir::read(dir_ / "_hub_revisions/spool.log"), HasSubstr(ids_[0])) << what;
  }

  TempDir dir_;
  std::vector<std::string> ids_;
};

TEST_F(TornSpool, ARecordCutAtAnyByteCostsNoOtherJob) {
  const std::string path = freeze_two();
  const std::string whole = TempDir::read(path);
  for (std::size_t length = 0; length + 1 < whole.size(); ++length) {
    fs::resize_file(path, length);
    expect_only_the_whole_one("cut at " + std::to_string(length));
    dir_.write("_hub_revisions/" + ids_[0] + "/job.json", whole);
  }
  EXPECT_EQ(start()->status().size(), 2u) << "its snapshot was kept";
}

TEST_F(TornSpool, WhatIsNoRecordCostsNoOtherJob) {
  const std::string path = freeze_two();
  const std::string job = "_hub_revisions/" + ids_[0];
  dir_.write(job + "/job.json", std::string(4096, '\0'));
  expect_only_the_whole_one("zeros");
  fs::remove(path);
  expect_only_the_whole_one("no record");
  fs::create_directory(path);
  expect_only_the_whole_one("a folder");
  fs::remove_all(dir_ / job);
  fs::create_directory(dir_ / job);
  expect_only_the_whole_one("an empty folder");
}

TEST_F(TornSpool, HalfASubmitIsSwept) {
  freeze_two();
  const std::string half = "_hub_revisions/tmp-" + make_job_id(1'769'860'800'123, 1);
  dir_.write(half + "/files/model.safetensors", "half");
  dir_.write(half + "/job.json.tmp", "{");
  EXPECT_EQ(start()->status().size(), 2u);
  EXPECT_FALSE(fs::exists(dir_ / half));
}

}  // namespace
}  // namespace hubrev
