#include "plugin/spool/job_id.h"

#include <gtest/gtest.h>

namespace hubrev {
namespace {

TEST(JobId, IsTheTimeAndARandomPart) {
  EXPECT_EQ(make_job_id(1'769'860'800'123, 0x9f3a1c), "20260131T120000123Z-9f3a1c");
  EXPECT_EQ(make_job_id(0, 0), "19700101T000000000Z-000000");
  EXPECT_EQ(make_job_id(0, 0xFF00'0001), "19700101T000000000Z-000001");
}

TEST(JobId, GivesItsTimeBack) {
  for (const std::int64_t ms : {std::int64_t{0}, std::int64_t{999}, std::int64_t{1'769'860'800'123},
                                std::int64_t{4'102'444'799'999}}) {
    EXPECT_EQ(job_id_time(make_job_id(ms, 7)), ms);
  }
}

TEST(JobId, SortsByTime) {
  const std::int64_t times[] = {1'769'860'799'999, 1'769'860'800'000, 1'769'860'800'001,
                                1'769'947'200'000, 1'800'000'000'000};
  for (std::size_t i = 1; i < std::size(times); ++i) {
    EXPECT_LT(make_job_id(times[i - 1], 0xFFFFFF), make_job_id(times[i], 0));
  }
}

TEST(JobId, NothingElseIsOne) {
  const std::string others[] = {
      "",
      ".",
      "..",
      "../../etc/passwd",
      "tmp-20260131T120000123Z-9f3a1c",
      "20260131T120000123Z-9f3a1",
      "20260131T120000123Z-9f3a1c0",
      "20260131T120000123Z-9F3A1C",
      "20260131T120000123Z-9f3a1/",
      "20260131T120000123Z_9f3a1c",
      "2026013 T120000123Z-9f3a1c",
      std::string("20260131T120000123Z-9f3a1\0", 26),
  };
  for (const std::string& text : others) EXPECT_FALSE(job_id_time(text)) << text;
}

}  // namespace
}  // namespace hubrev
