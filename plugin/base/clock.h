#pragma once
// Time, as an interface, so that no test sleeps. One of the two virtual interfaces of the worker.

#include <chrono>
#include <cstdint>
#include <stop_token>

#include "plugin/base/result.h"

namespace hubrev {

class Clock {
 public:
  virtual ~Clock() = default;
  // Milliseconds since 1970-01-01 UTC.
  virtual std::int64_t unix_ms() = 0;
  // Never goes backwards; for durations and deadlines.
  virtual std::chrono::steady_clock::time_point now() = 0;
  // Blocks for `duration`, or returns kCancelled as soon as `stop` is requested.
  virtual Status sleep_for(std::chrono::milliseconds duration, const std::stop_token& stop) = 0;
};

// The machine's clock. Thread-safe; lives as long as the process.
Clock& system_clock();

// "2026-01-31T12:00:00.000Z".
std::string format_time(std::int64_t unix_ms);

}  // namespace hubrev
