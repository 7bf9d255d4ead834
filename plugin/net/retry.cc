#include "plugin/net/retry.h"

#include <random>

namespace hubrev {

std::chrono::milliseconds next_delay(int attempt, const RetryPolicy& policy,
                                     std::optional<std::chrono::milliseconds> retry_after,
                                     double jitter) {
  // 2^20 first delays exceed any sensible ceiling; the bound keeps the shift defined.
  const int doublings = std::clamp(attempt - 1, 0, 20);
  const std::chrono::milliseconds own = std::min<std::chrono::milliseconds>(
      policy.first_delay * (1LL << doublings), policy.max_delay);
  const auto extra = std::chrono::milliseconds(
      static_cast<std::int64_t>(static_cast<double>(own.count()) * 0.5 * jitter));
  return std::max(own, retry_after.value_or(std::chrono::milliseconds(0))) + extra;
}

double random_jitter() {
  thread_local std::mt19937 generator(std::random_device{}());
  return std::uniform_real_distribution<double>(0, 1)(generator);
}

}  // namespace hubrev
