#pragma once
// A clock that moves only when somebody sleeps on it.

#include <mutex>
#include <vector>

#include "plugin/base/clock.h"

namespace hubrev::testing {

// Thread-safe.
class FakeClock final : public Clock {
 public:
  std::int64_t unix_ms() override {
    const std::lock_guard lock(mutex_);
    return 1'700'000'000'000 + elapsed_.count();
  }
  std::chrono::steady_clock::time_point now() override {
    const std::lock_guard lock(mutex_);
    return std::chrono::steady_clock::time_point(elapsed_);
  }
  Status sleep_for(std::chrono::milliseconds duration, const std::stop_token& stop) override {
    if (stop.stop_requested()) return make_error(ErrorKind::kCancelled, "cancelled");
    const std::lock_guard lock(mutex_);
    elapsed_ += duration;
    sleeps_.push_back(duration);
    return {};
  }
  std::vector<std::chrono::milliseconds> sleeps() {
    const std::lock_guard lock(mutex_);
    return sleeps_;
  }

 private:
  std::mutex mutex_;  // guards both below
  std::chrono::milliseconds elapsed_{0};
  std::vector<std::chrono::milliseconds> sleeps_;
};

}  // namespace hubrev::testing
