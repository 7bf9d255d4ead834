#include "plugin/base/clock.h"

#include <gtest/gtest.h>

namespace hubrev {
namespace {

TEST(FormatTime, IsUtcWithMilliseconds) {
  EXPECT_EQ(format_time(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(format_time(1'769'860'800'123), "2026-01-31T12:00:00.123Z");
  EXPECT_EQ(format_time(1'709'164'800'000), "2024-02-29T00:00:00.000Z");
}

TEST(SystemClock, AStoppedSleepEndsAtOnce) {
  std::stop_source stop;
  stop.request_stop();
  const auto before = system_clock().now();
  const Status slept = system_clock().sleep_for(std::chrono::hours(1), stop.get_token());
  ASSERT_FALSE(slept.ok());
  EXPECT_EQ(slept.error().kind, ErrorKind::kCancelled);
  EXPECT_LT(system_clock().now() - before, std::chrono::minutes(1));
}

TEST(SystemClock, AShortSleepEnds) {
  EXPECT_TRUE(system_clock().sleep_for(std::chrono::milliseconds(1), {}).ok());
}

}  // namespace
}  // namespace hubrev
