#include "plugin/net/upload_limiter.h"

#include <algorithm>

namespace hubrev {
namespace {

// A 32nd of a second's bytes: short enough to share, long enough that a timer of milliseconds keeps
// up. Not below what is worth a packet, nor above what curl asks for at once.
std::size_t longest_slot(std::uint64_t bytes_per_second) {
  constexpr std::uint64_t kShortest = 1024;
  constexpr std::uint64_t kLongest = 256u << 10;
  return static_cast<std::size_t>(std::clamp(bytes_per_second / 32, kShortest, kLongest));
}

}  // namespace

UploadLimiter::UploadLimiter(std::uint64_t bytes_per_second, Clock& clock)
    : rate_(static_cast<double>(bytes_per_second)),
      longest_(longest_slot(bytes_per_second)),
      clock_(clock),
      free_(clock.now()) {}

UploadLimiter::Slot UploadLimiter::reserve(std::size_t wanted) {
  Slot slot;
  slot.bytes = std::min(wanted, longest_);
  const auto share = std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::chrono::duration<double>(static_cast<double>(slot.bytes) / rate_));
  const std::lock_guard lock(mutex_);
  slot.due = std::max<TimePoint>(free_, clock_.now() - kCatchUp);
  free_ = slot.due + share;
  return slot;
}

}  // namespace hubrev
