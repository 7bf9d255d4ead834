#include "plugin/pipeline/weights_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <optional>

#include "tests/support/temp_dir.h"

namespace hubrev {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::TempDir;

class WeightsMemoryTest : public ::testing::Test {
 protected:
  WeightsMemoryTest() {
    auto opened = Spool::open(folder_ / "spool");
    EXPECT_TRUE(opened.ok());
    spool_.emplace(std::move(opened).value());
    EXPECT_TRUE(log_.open(folder_ / "log").ok());
    memory_.emplace(*spool_, log_);
  }

  // A job whose record nobody asks for here.
  std::string job() {
    std::string id = spool_->new_job_id();
    fs::create_directory(spool_->root() + "/" + id);
    return id;
  }
  static PublishedWeights weights_of(const std::string& job) {
    PublishedWeights weights;
    weights.job = job;
    weights.revision = "revision of " + job;
    weights.files["m"] = {"", {{{"t", xxh3(job), true}}}};
    return weights;
  }
  std::string log() const { return TempDir::read(folder_ / "log"); }

  const TempDir folder_;
  std::optional<Spool> spool_;
  Log log_;
  std::optional<WeightsMemory> memory_;
};

TEST_F(WeightsMemoryTest, AJobKeepsWhatItFoundFirst) {
  const std::string first = job();
  const std::string second = job();
  EXPECT_EQ(memory_->take(first).job, "");
  memory_->remember(weights_of(first));
  EXPECT_EQ(memory_->take(second).job, first);
  memory_->remember(weights_of(second));
  EXPECT_EQ(memory_->take(first).job, "") << "what it was laid out by";
  EXPECT_EQ(memory_->take(second).job, first);
  EXPECT_EQ(to_text(memory_->take(job())), to_text(weights_of(second)));
  struct stat info {};
  ASSERT_EQ(::stat(spool_->weights_path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  ASSERT_TRUE(spool_->free_snapshot(first).ok());
  EXPECT_FALSE(fs::exists(spool_->weights_path(first)));
}

TEST_F(WeightsMemoryTest, ALaterJobsWordStands) {
  const std::string first = job();
  const std::string second = job();
  memory_->remember(weights_of(second));
  memory_->remember(weights_of(first));
  EXPECT_EQ(memory_->take(job()).job, second);
}

TEST_F(WeightsMemoryTest, TrainingsWordIsKeptUntilItSaysOtherwise) {
  const std::string first = job();
  memory_->set_frozen({"a", "b"});
  const PublishedWeights before = memory_->take(first);
  EXPECT_EQ(before.frozen.size(), 2u);
  memory_->set_frozen({"c"});
  PublishedWeights now = weights_of(first);
  now.frozen = before.frozen;
  memory_->remember(now);
  const PublishedWeights last = memory_->take(job());
  EXPECT_EQ(last.job, first);
  EXPECT_TRUE(last.frozen.contains("c") && last.frozen.size() == 1);
}

TEST_F(WeightsMemoryTest, StartsOverWithAWarningWhereItCannotBeRead) {
  folder_.write("spool/weights.json", "{\"job\":");
  const std::string first = job();
  EXPECT_EQ(memory_->take(first).job, "");
  EXPECT_THAT(log(), HasSubstr("weights.json: not a memory of weights"));
  EXPECT_THAT(log(), HasSubstr("sent once more"));
  memory_->remember(weights_of(first));
  EXPECT_EQ(memory_->take(job()).job, first);
}

TEST_F(WeightsMemoryTest, WhereItCannotBeWrittenAJobIsLaidOutAsTheFirst) {
  const std::string first = job();
  memory_->remember(weights_of(first));
  EXPECT_EQ(memory_->take("20260101T000000000Z-gone00").job, "") << "its folder is not there";
  EXPECT_THAT(log(), HasSubstr("may be sent once more"));
}

}  // namespace
}  // namespace hubrev
