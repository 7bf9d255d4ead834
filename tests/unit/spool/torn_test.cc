// What a crash, a full disk or a hand leaves in a spool: it never keeps the others from being read,
// and is never taken for a job.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <optional>

#include "plugin/spool/job_id.h"
#include "plugin/spool/spool.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/spool/record_fixture.h"

namespace hubrev {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::record_of;

class TornSpool : public ::testing::Test {
 protected:
  TornSpool() {
    put(before_, text_of(before_));
    put(after_, text_of(after_));
  }

  std::string put(const std::string& job_id, const std::string& text) const {
    return temp_.write("spool/" + job_id + "/job.json", text);
  }
  static std::string text_of(const std::string& job_id) { return to_text(record_of(job_id)); }

  // The jobs before and after the torn one are there, whoever looks; `problems` are told.
  void expect_others(std::size_t problems, const std::string& what) const {
    for (const bool owned : {false, true}) {
      std::optional<Result<Spool>> owner;
      if (owned) {
        owner = Spool::open(root_);
        ASSERT_TRUE(owner->ok()) << what << ": " << owner->error().message;
        EXPECT_GT(owner->value().new_job_id(), after_) << what;
      }
      const auto contents = read_spool(root_);
      ASSERT_TRUE(contents.ok()) << what << ": " << contents.error().message;
      ASSERT_EQ(contents->records.size(), 2u) << what;
      EXPECT_EQ(contents->records[0].id, before_) << what;
      EXPECT_EQ(contents->records[1].id, after_) << what;
      ASSERT_EQ(contents->problems.size(), problems) << what;
      for (const std::string& problem : contents->problems) {
        EXPECT_THAT(problem, HasSubstr(torn_)) << what;
      }
    }
  }

  testing::TempDir temp_;
  const std::string root_ = temp_ / "spool";
  const std::string before_ = make_job_id(1'769'860'800'123, 1);
  const std::string torn_ = make_job_id(1'769'860'800'124, 2);
  const std::string after_ = make_job_id(1'769'860'800'125, 3);
};

TEST_F(TornSpool, ARecordCutAtAnyByteIsToldAndKept) {
  const std::string whole = text_of(torn_);
  // The newline at the end is the one byte that a record can do without.
  for (std::size_t length = 0; length + 1 < whole.size(); ++length) {
    const std::string path = put(torn_, whole.substr(0, length));
    expect_others(1, "cut at " + std::to_string(length));
    EXPECT_EQ(testing::TempDir::read(path).size(), length) << "it was changed";
  }
}

TEST_F(TornSpool, ARecordWithAHoleOfZerosIsTold) {
  const std::string whole = text_of(torn_);
  for (std::size_t at = 0; at + 8 < whole.size(); at += 8) {
    std::string text = whole;
    text.replace(at, 8, 8, '\0');
    put(torn_, text);
    expect_others(1, "zeros at " + std::to_string(at));
  }
}

TEST_F(TornSpool, AHalfWrittenSuccessorOfARecordIsIgnored) {
  const std::string whole = text_of(after_);
  for (const std::size_t length : {std::size_t{0}, whole.size() / 2, whole.size()}) {
    temp_.write("spool/" + after_ + "/job.json.tmp", whole.substr(0, length));
    expect_others(0, "successor of " + std::to_string(length) + " bytes");
  }
  // And is no obstacle to the next save.
  auto owner = Spool::open(root_);
  ASSERT_TRUE(owner.ok());
  ASSERT_TRUE(owner->save(record_of(after_)).ok());
  EXPECT_FALSE(fs::exists(root_ + "/" + after_ + "/job.json.tmp"));
}

TEST_F(TornSpool, WhatStandsInARecordsPlaceIsTold) {
  const std::string folder = root_ + "/" + torn_;
  const std::string path = folder + "/job.json";
  fs::create_directories(folder);
  expect_others(1, "an empty folder");
  fs::create_directories(path + "/inner");
  expect_others(1, "a folder");
  fs::remove_all(path);
  fs::create_symlink("nowhere", path);
  expect_others(1, "a link to nothing");
  fs::remove(path);
  put(torn_, text_of(after_));
  expect_others(1, "another job's record");
  for (const char* text : {"", "null", "[]", "{}", "\xFF\xFE", "{\"id\": 1}", "]]]]"}) {
    put(torn_, text);
    expect_others(1, text);
  }
}

TEST_F(TornSpool, AHugeRecordIsToldAndNotRead) {
  const std::string path = put(torn_, "{");
  fs::resize_file(path, 1ull << 40);  // sparse; reading it would end the process
  expect_others(1, "a terabyte");
}

TEST_F(TornSpool, APipeInARecordsPlaceDoesNotHang) {
  fs::create_directories(root_ + "/" + torn_);
  ASSERT_EQ(::mkfifo((root_ + "/" + torn_ + "/job.json").c_str(), 0600), 0);
  expect_others(1, "a pipe");
}

TEST_F(TornSpool, WhatIsNoJobsFolderIsIgnored) {
  temp_.write("spool/" + torn_, "a file with a job's name");
  temp_.write("spool/" + torn_ + "x/job.json", "{}");
  temp_.write("spool/job.json", "{}");
  temp_.write("spool/core", std::string(1000, '\1'));
  fs::create_symlink("/", root_ + "/somewhere");
  expect_others(0, "things of others");
}

TEST_F(TornSpool, WhatAKilledSubmitLeftIsSweptInAnyShape) {
  const std::string staging = root_ + "/tmp-" + torn_;
  const auto expect_swept = [&](const std::string& what) {
    expect_others(0, what);
    EXPECT_FALSE(fs::exists(fs::symlink_status(staging))) << what;
  };
  fs::create_directories(staging);
  expect_swept("an empty folder");
  temp_.write("spool/tmp-" + torn_ + "/files/sub/model.safetensors", "half");
  temp_.write("spool/tmp-" + torn_ + "/files.small", "");
  temp_.write("spool/tmp-" + torn_ + "/job.json", text_of(torn_).substr(0, 40));
  temp_.write("spool/tmp-" + torn_ + "/job.json.tmp", "");
  expect_swept("half a job");
  temp_.write("spool/tmp-" + torn_, "x");
  expect_swept("a file");
  const std::string precious = temp_.write("precious/file", "x");
  fs::create_directory_symlink(temp_ / "precious", staging);
  expect_swept("a link");
  EXPECT_TRUE(fs::exists(precious));
}

}  // namespace
}  // namespace hubrev
