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

Error after_last_attempt(Error last, int attempts) {
  last.message += " (gave up after " + std::to_string(attempts) + " attempts)";
  return last;
}

Error after_time_limit(Error last, int attempts, std::chrono::milliseconds max_total) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(max_total).count();
  last.message += " (gave up after " + std::to_string(attempts) +
                  (attempts == 1 ? " attempt" : " attempts") +
                  ": the next one would begin later than the limit of " + std::to_string(seconds) +
                  " s for all of them)";
  return last;
}

double random_jitter() {
  thread_local std::mt19937 generator(std::random_device{}());
  return std::uniform_real_distribution<double>(0, 1)(generator);
}

}  // namespace hubrev
