#pragma once
// The one retry loop. Nobody else sleeps and tries again.

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include "plugin/base/clock.h"
#include "plugin/base/result.h"

namespace hubrev {

struct RetryPolicy {
  int max_retries = 8;                                   // after the first attempt
  std::chrono::milliseconds first_delay{1000};           // doubles each time
  std::chrono::milliseconds max_delay{60'000};           // of our own back-off
  std::chrono::milliseconds max_retry_after{3'700'000};  // a longer wish of the server is an error
  // From the first failure on: no attempt is begun later. Two hours hold the longest limit seen on
  // the Hub (an hour) with room for the attempts around it.
  std::chrono::milliseconds max_total{7'200'000};
};

// The pause before attempt number `attempt` (1 = first retry). The server's `retry_after` is a
// floor; jitter in [0, 1) adds up to half of our own back-off above it. Pure.
std::chrono::milliseconds next_delay(int attempt, const RetryPolicy& policy,
                                     std::optional<std::chrono::milliseconds> retry_after,
                                     double jitter);

// `last` with what ended the attempts in its message. Pure.
Error after_last_attempt(Error last, int attempts);
Error after_time_limit(Error last, int attempts, std::chrono::milliseconds max_total);

// Uniform in [0, 1). Thread-safe.
double random_jitter();

struct RetryContext {
  Clock* clock = nullptr;
  RetryPolicy policy;
  // Told before each pause; for the log. May be empty.
  std::function<void(const Error&, std::chrono::milliseconds)> on_retry;
};

// Calls op() until it succeeds, fails for good, or the policy is exhausted. Checks `stop` before
// every attempt, so a cancelled caller touches the remote no more, and after every failed one: what
// fails once a stop is requested is kCancelled, whatever op says. op must be safe to repeat.
template <typename Op>
auto with_retry(const RetryContext& context, const std::stop_token& stop, Op&& op)
    -> decltype(op()) {
  const RetryPolicy& policy = context.policy;
  std::optional<std::chrono::steady_clock::time_point> begin;
  for (int attempt = 1;; ++attempt) {
    if (stop.stop_requested()) return make_error(ErrorKind::kCancelled, "cancelled");
    auto result = op();
    if (result.ok()) return result;
    if (stop.stop_requested()) return make_error(ErrorKind::kCancelled, "cancelled");
    const Error& error = result.error();
    if (!retryable(error.kind)) return result;
    if (attempt > policy.max_retries) return after_last_attempt(error, attempt);
    if (error.retry_after && *error.retry_after > policy.max_retry_after) return result;
    if (!begin) begin = context.clock->now();
    const auto delay = next_delay(attempt, policy, error.retry_after, random_jitter());
    if (context.clock->now() - *begin + delay > policy.max_total) {
      return after_time_limit(error, attempt, policy.max_total);
    }
    if (context.on_retry) context.on_retry(error, delay);
    HUBREV_CHECK(context.clock->sleep_for(delay, stop));
  }
}

}  // namespace hubrev
