#include "plugin/net/retry.h"

#include <gtest/gtest.h>

#include "tests/support/fake_clock.h"

namespace hubrev {
namespace {

using std::chrono::milliseconds;

TEST(NextDelay, DoublesUpToTheCeilingAndHonoursTheServer) {
  RetryPolicy policy;
  policy.first_delay = milliseconds(1000);
  policy.max_delay = milliseconds(8000);
  struct Row {
    int attempt;
    std::optional<milliseconds> retry_after;
    double jitter;
    milliseconds expected;
  };
  const Row rows[] = {
      {1, {}, 0, milliseconds(1000)},
      {2, {}, 0, milliseconds(2000)},
      {4, {}, 0, milliseconds(8000)},
      {5, {}, 0, milliseconds(8000)},
      {99, {}, 0, milliseconds(8000)},
      {1, {}, 0.5, milliseconds(1250)},
      {1, milliseconds(60'000), 0, milliseconds(60'000)},
      {1, milliseconds(60'000), 0.5, milliseconds(60'250)},
      {3, milliseconds(10), 0, milliseconds(4000)},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(next_delay(row.attempt, policy, row.retry_after, row.jitter), row.expected)
        << "attempt " << row.attempt;
  }
}

class WithRetry : public ::testing::Test {
 protected:
  testing::FakeClock clock_;
  RetryContext context_{&clock_, {}, {}};
  std::stop_source stop_;
  int calls_ = 0;

  Status run(int failures, ErrorKind kind) {
    return with_retry(context_, stop_.get_token(), [&]() -> Status {
      if (++calls_ <= failures) return make_error(kind, "no");
      return {};
    });
  }
};

TEST_F(WithRetry, SucceedsAfterTransientFailures) {
  EXPECT_TRUE(run(3, ErrorKind::kServer).ok());
  EXPECT_EQ(calls_, 4);
  EXPECT_EQ(clock_.sleeps().size(), 3u);
}

TEST_F(WithRetry, GivesUpAfterTheLastRetry) {
  context_.policy.max_retries = 2;
  const Status status = run(100, ErrorKind::kNetwork);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorKind::kNetwork);
  EXPECT_NE(status.error().message.find("gave up after 3 attempts"), std::string::npos);
  EXPECT_EQ(calls_, 3);
}

TEST_F(WithRetry, DoesNotRepeatWhatIsPermanent) {
  for (const ErrorKind kind : {ErrorKind::kAuth, ErrorKind::kRejected, ErrorKind::kNotFound,
                               ErrorKind::kConflict, ErrorKind::kInvalidInput}) {
    calls_ = 0;
    EXPECT_FALSE(run(1, kind).ok());
    EXPECT_EQ(calls_, 1) << to_string(kind);
  }
}

TEST_F(WithRetry, TouchesNothingOnceCancelled) {
  stop_.request_stop();
  const Status status = run(0, ErrorKind::kServer);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorKind::kCancelled);
  EXPECT_EQ(calls_, 0);
}

TEST_F(WithRetry, WhatFailsOnceAStopIsRequestedIsCancelled) {
  for (const ErrorKind kind :
       {ErrorKind::kNetwork, ErrorKind::kRejected, ErrorKind::kRateLimited, ErrorKind::kInternal}) {
    std::stop_source stop;
    int calls = 0;
    const Status status = with_retry(context_, stop.get_token(), [&]() -> Status {
      ++calls;
      stop.request_stop();
      Error error = make_error(kind, "no");
      error.retry_after = milliseconds(1'000'000'000);
      return error;
    });
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().kind, ErrorKind::kCancelled) << to_string(kind);
    EXPECT_EQ(calls, 1);
  }
  EXPECT_TRUE(clock_.sleeps().empty());
}

TEST_F(WithRetry, WhatSucceededStaysASuccess) {
  const Status status = with_retry(context_, stop_.get_token(), [&]() -> Status {
    stop_.request_stop();
    return {};
  });
  EXPECT_TRUE(status.ok());
}

TEST_F(WithRetry, BeginsNoAttemptAfterTheTimeLimit) {
  context_.policy.max_retries = 100;
  context_.policy.max_total = std::chrono::seconds(1000);
  const Status status = with_retry(context_, stop_.get_token(), [&]() -> Status {
    ++calls_;
    // The attempt itself takes time too: after the first failure 2 x (300 s and jitter + 100 s)
    // pass, a third pause would end at 1100 s or later.
    HUBREV_CHECK(clock_.sleep_for(milliseconds(100'000), {}));
    Error error = make_error(ErrorKind::kServer, "busy");
    error.retry_after = milliseconds(300'000);
    return error;
  });
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorKind::kServer);
  EXPECT_EQ(calls_, 3);
  EXPECT_EQ(status.error().message,
            "busy (gave up after 3 attempts: the next one would begin later than the limit of "
            "1000 s for all of them)");
}

TEST_F(WithRetry, AnAttemptThatTookLongIsRepeatedToo) {
  context_.policy.max_total = std::chrono::seconds(1000);
  const Status status = with_retry(context_, stop_.get_token(), [&]() -> Status {
    if (++calls_ > 1) return {};
    HUBREV_CHECK(clock_.sleep_for(milliseconds(5'000'000), {}));
    return make_error(ErrorKind::kNetwork, "reset");
  });
  EXPECT_TRUE(status.ok()) << status.error().message;
  EXPECT_EQ(calls_, 2);
}

TEST_F(WithRetry, TheTimeLimitHoldsThePausesOfTheHub) {
  EXPECT_GT(RetryPolicy().max_total, RetryPolicy().max_retry_after);
  context_.policy.max_total = milliseconds(0);
  EXPECT_FALSE(run(1, ErrorKind::kServer).ok());
  EXPECT_EQ(calls_, 1);
}

TEST_F(WithRetry, WaitsAsLongAsTheServerAsked) {
  const Status status = with_retry(context_, stop_.get_token(), [&]() -> Status {
    if (++calls_ > 1) return {};
    Error error = make_error(ErrorKind::kRateLimited, "slow down");
    error.retry_after = milliseconds(120'000);
    return error;
  });
  EXPECT_TRUE(status.ok());
  ASSERT_EQ(clock_.sleeps().size(), 1u);
  EXPECT_GE(clock_.sleeps()[0], milliseconds(120'000));
}

}  // namespace
}  // namespace hubrev
