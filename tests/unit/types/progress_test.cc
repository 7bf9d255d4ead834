#include "plugin/types/progress.h"

#include <gtest/gtest.h>

namespace hubrev {
namespace {

TEST(Progress, RateAndTimeLeftFollowFromWhatWasSent) {
  Progress progress;
  progress.bytes_total = 1000;
  EXPECT_TRUE(to_json(progress, 5'000)["bytes_per_second"].is_null());
  progress.upload_began_ms = 1'000;
  progress.bytes_sent = 200;
  progress.bytes_present = 300;
  const auto shown = to_json(progress, 3'000);
  EXPECT_EQ(shown["bytes_done"], 500);
  EXPECT_DOUBLE_EQ(shown["bytes_per_second"], 100.0);
  EXPECT_DOUBLE_EQ(shown["eta_seconds"], 5.0);
}

TEST(Progress, WhatWasSentTwiceIsNoMoreThanAll) {
  Progress progress;
  progress.bytes_total = 100;
  progress.bytes_sent = 250;
  EXPECT_EQ(to_json(progress, 0)["bytes_done"], 100);
}

TEST(Progress, TellsTheLastRetry) {
  Progress progress;
  EXPECT_EQ(to_json(progress, 0)["last_error"], "");
  progress.note_retry("first");
  progress.note_retry("second");
  EXPECT_EQ(to_json(progress, 0)["last_error"], "second");
  EXPECT_EQ(to_json(progress, 0)["retries"], 2);
}

}  // namespace
}  // namespace hubrev
