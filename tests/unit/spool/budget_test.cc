#include "plugin/spool/budget.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/temp_dir.h"

namespace hubrev {
namespace {

using ::testing::HasSubstr;
using testing::TempDir;

constexpr std::uint64_t kMiB = 1u << 20;

// A spool with one job, whose files are made by hand.
class BudgetTest : public ::testing::Test {
 protected:
  TempDir dir_;
  Spool spool_ = Spool::open(dir_ / "spool").value();
  JobRecord record_;

  void SetUp() override {
    record_.id = spool_.new_job_id();
    record_.directory = dir_ / "checkpoint-1";
    Spool::Begun begun = spool_.begin_snapshot().value();
    std::filesystem::create_directories(begun.folder() + "/files");
    ASSERT_TRUE(std::move(begun).publish(record_).ok());
    std::filesystem::create_directories(record_.directory);
  }

  std::string frozen(const std::string& name) const {
    return spool_.files_directory(record_.id) + "/" + name;
  }

  static void fill(const std::string& path, std::uint64_t bytes) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT, 0600);
    ASSERT_GE(fd, 0);
    ASSERT_EQ(::posix_fallocate(fd, 0, static_cast<off_t>(bytes)), 0);
    ::close(fd);
  }

  static Settings settings() {
    Settings settings;
    settings.min_free_bytes = 0;
    return settings;
  }
};

TEST_F(BudgetTest, ALinkCostsNothingUntilTheCheckpointIsDeleted) {
  const std::string original = record_.directory + "/model.safetensors";
  fill(original, 2 * kMiB);
  std::filesystem::create_hard_link(original, frozen("model.safetensors"));
  record_.frozen = {{"model.safetensors", FreezeMethod::kHardLink, {1, 2 * kMiB, 0}, 0, 2 * kMiB}};
  EXPECT_EQ(held_bytes(spool_, record_), 0u);
  std::filesystem::remove(original);
  EXPECT_GE(held_bytes(spool_, record_), 2 * kMiB);
}

TEST_F(BudgetTest, AReflinkCostsNothingUntilTheCheckpointIsDeleted) {
  fill(record_.directory + "/model.safetensors", kMiB);
  fill(frozen("model.safetensors"), kMiB);
  record_.frozen = {{"model.safetensors", FreezeMethod::kReflink, {1, kMiB, 0}, 0, kMiB}};
  EXPECT_EQ(held_bytes(spool_, record_), 0u);
  std::filesystem::remove_all(record_.directory);
  EXPECT_GE(held_bytes(spool_, record_), kMiB);
}

TEST_F(BudgetTest, CopiesAndThePackCostTheirSize) {
  fill(frozen("model.safetensors"), kMiB);
  fill(pack_path(spool_.files_directory(record_.id)), kMiB);
  record_.frozen = {{"a.json", FreezeMethod::kPacked, {1, kMiB, 0}, 0, kMiB / 2},
                    {"b.json", FreezeMethod::kPacked, {1, kMiB, 0}, kMiB / 2, kMiB / 2},
                    {"model.safetensors", FreezeMethod::kCopy, {2, kMiB, 0}, 0, kMiB}};
  const std::uint64_t held = held_bytes(spool_, record_);
  EXPECT_GE(held, 2 * kMiB);
  EXPECT_LT(held, 3 * kMiB) << "the pack counts once";
}

TEST_F(BudgetTest, EachLimitNamesItsSetting) {
  Settings limits = settings();
  EXPECT_TRUE(find_room(limits, spool_, {}).ok());

  limits.max_pending = 2;
  EXPECT_TRUE(find_room(limits, spool_, {1, {}}).ok());
  auto room = find_room(limits, spool_, {2, {}});
  ASSERT_FALSE(room.ok());
  EXPECT_EQ(room.error().kind, ErrorKind::kNoSpace);
  EXPECT_THAT(room.error().message, HasSubstr("'max_pending'"));

  limits = settings();
  limits.min_free_bytes = 1ull << 62;
  room = find_room(limits, spool_, {});
  ASSERT_FALSE(room.ok());
  EXPECT_THAT(room.error().message, HasSubstr("'min_free_bytes'"));

  fill(frozen("model.safetensors"), kMiB);
  record_.frozen = {{"model.safetensors", FreezeMethod::kCopy, {2, kMiB, 0}, 0, kMiB}};
  limits = settings();
  limits.max_spool_bytes = 4 * kMiB;
  room = find_room(limits, spool_, {1, {record_}});
  ASSERT_TRUE(room.ok());
  EXPECT_LE(*room, 3 * kMiB);
  limits.max_spool_bytes = kMiB;
  room = find_room(limits, spool_, {1, {record_}});
  ASSERT_FALSE(room.ok());
  EXPECT_THAT(room.error().message, HasSubstr("'max_spool_bytes'"));
}

}  // namespace
}  // namespace hubrev
