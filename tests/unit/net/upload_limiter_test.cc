#include "plugin/net/upload_limiter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "tests/support/fake_clock.h"

namespace hubrev {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using TimePoint = UploadLimiter::TimePoint;

constexpr std::size_t kBuffer = 256u << 10;  // what curl asks for at once

// Uploads without end beside each other, as the transfers of a client are: each asks for a slot,
// comes back when it is due, and asks for the next. Every coming back is late by up to `late`.
class Uploads {
 public:
  Uploads(std::uint64_t rate, std::size_t count, milliseconds late = milliseconds(0))
      : limiter_(rate, clock_), slots_(count), late_(0, static_cast<int>(late.count())) {
    for (auto& slot : slots_) slot = limiter_.reserve(kBuffer);
  }
  // Bytes sent during `span`.
  std::uint64_t run(milliseconds span) {
    const TimePoint end = clock_.now() + span;
    std::uint64_t sent = 0;
    for (;;) {
      const auto next = std::min_element(
          slots_.begin(), slots_.end(), [](const auto& a, const auto& b) { return a.due < b.due; });
      if (next->due >= end) break;
      sleep_until(next->due);
      if (clock_.now() >= end) break;
      sent += next->bytes;
      *next = limiter_.reserve(kBuffer);
    }
    sleep_until(end);
    return sent;
  }
  void sleep_until(TimePoint due) {
    const auto wait = std::chrono::ceil<milliseconds>(due - clock_.now());
    if (wait > milliseconds(0)) {
      ASSERT_TRUE(clock_.sleep_for(wait + milliseconds(late_(random_)), {}).ok());
    }
  }
  testing::FakeClock& clock() { return clock_; }
  UploadLimiter& limiter() { return limiter_; }

 private:
  testing::FakeClock clock_;
  UploadLimiter limiter_;
  std::vector<UploadLimiter::Slot> slots_;
  std::mt19937 random_{7};
  std::uniform_int_distribution<int> late_;
};

struct Load {
  std::uint64_t rate;
  std::size_t uploads;
};

class UploadLimiterTest : public ::testing::TestWithParam<Load> {};

TEST_P(UploadLimiterTest, TheSumStaysWithinATenthOfTheCap) {
  const auto [rate, count] = GetParam();
  for (const milliseconds late : {milliseconds(0), milliseconds(10)}) {
    Uploads uploads(rate, count, late);
    for (int second = 0; second < 20; ++second) {
      const auto sent = static_cast<double>(uploads.run(seconds(1)));
      EXPECT_LT(sent, 1.1 * static_cast<double>(rate)) << "second " << second;
      if (second > 0) {
        EXPECT_GT(sent, 0.9 * static_cast<double>(rate)) << "second " << second;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Caps, UploadLimiterTest,
                         ::testing::Values(Load{64u << 10, 1}, Load{64u << 10, 8},
                                           Load{64u << 10, 64}, Load{1'000'000, 1},
                                           Load{1'000'000, 16}, Load{10'000'000, 4},
                                           Load{100'000'000, 1}, Load{100'000'000, 64}));

TEST(UploadLimiter, IdleTimeIsNotSavedUp) {
  constexpr std::uint64_t kRate = 1'000'000;
  Uploads uploads(kRate, 4);
  ASSERT_TRUE(uploads.clock().sleep_for(std::chrono::hours(1), {}).ok());
  EXPECT_LT(static_cast<double>(uploads.run(seconds(1))), 1.2 * kRate);  // four slots were waiting
}

TEST(UploadLimiter, ASmallRequestWaitsForOneSlotOfEachUpload) {
  constexpr std::uint64_t kRate = 1'000'000;
  constexpr std::size_t kUploads = 16;
  Uploads uploads(kRate, kUploads);
  for (int i = 0; i < 50; ++i) {
    uploads.run(milliseconds(100 + 7 * i));
    const TimePoint now = uploads.clock().now();
    const auto slot = uploads.limiter().reserve(500);
    EXPECT_EQ(slot.bytes, 500u);
    // and for the one that is under way
    EXPECT_LE(slot.due - now, milliseconds(1 + 1000 * (kUploads + 1) / 32));
  }
}

TEST(UploadLimiter, NoSlotIsLongerThanAThirtySecondOfASecond) {
  testing::FakeClock clock;
  UploadLimiter limiter(64u << 10, clock);
  EXPECT_EQ(limiter.reserve(kBuffer).bytes, 2048u);
  UploadLimiter slow(1, clock);
  EXPECT_EQ(slow.reserve(kBuffer).bytes, 1024u) << "less is not worth a packet";
  EXPECT_EQ(slow.reserve(1).bytes, 1u);
}

}  // namespace
}  // namespace hubrev
