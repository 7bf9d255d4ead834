#pragma once
// One cap on the bytes that all uploads of a client put on the wire together.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "plugin/base/clock.h"

namespace hubrev {

// Hands out slots in a row: each begins when the one before has used up its share of the rate. Who
// asks first is served first, and a slot is short, so a small request waits for at most one slot of
// each upload beside it. Nobody sleeps in here: the caller comes back when its slot is due. A slot
// that is not used (a cancelled upload) is lost.
//
// Over any span of time no more is due than rate * (span + kCatchUp), and one slot.
// Thread-safe.
class UploadLimiter {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  // Callers are late by some milliseconds, and there may be few of them; this much of the rate that
  // they left unused may be made up for.
  static constexpr std::chrono::milliseconds kCatchUp{25};

  struct Slot {
    std::size_t bytes = 0;
    TimePoint due;  // they may be sent from then on
  };

  // Precondition: bytes_per_second > 0. `clock` outlives this.
  UploadLimiter(std::uint64_t bytes_per_second, Clock& clock);

  // The next slot, for 1 to `wanted` bytes. Precondition: wanted > 0. Never blocks.
  Slot reserve(std::size_t wanted);

 private:
  const double rate_;  // bytes per second
  const std::size_t longest_;
  Clock& clock_;
  std::mutex mutex_;  // guards free_; held for a few instructions
  TimePoint free_;    // when the next slot begins
};

}  // namespace hubrev
