// The Error that an answer stands for: status, RateLimit and Retry-After, the forms of a body.

#include "plugin/net/rate_limit.h"
#include "tests/fuzz/http_answer.h"

namespace hubrev::fuzz {
namespace {

// Every answer is asked for them, successes too: what they count must do for a clock.
void check_quotas(const HttpResponse& response) {
  constexpr long kMost = 1'000'000'000;
  const auto quotas = quotas_from_headers(response);
  HUBREV_REQUIRE(quotas.size() <= 16, std::to_string(quotas.size()));
  for (const RequestQuota& quota : quotas) {
    const long reset = quota.reset ? quota.reset->count() : 0;
    HUBREV_REQUIRE(quota.left >= 0 && quota.left <= kMost, std::to_string(quota.left));
    HUBREV_REQUIRE(reset >= 0 && reset <= kMost, std::to_string(reset));
    HUBREV_REQUIRE(quota.size.value_or(0) >= 0, std::to_string(*quota.size));
  }
}

}  // namespace

HUBREV_FUZZ(input) {
  const HttpResponse response = http_answer_of(input);
  check_quotas(response);
  const Error error = error_from_response(response, "creating repository a/b");
  HUBREV_REQUIRE(error.message.starts_with("creating repository a/b: "), error.message);
  require_shown(error.message);
  require_shown(error.request_id);
  HUBREV_REQUIRE(error.http_status == response.status, error.message);
  HUBREV_REQUIRE(response.status != 429 || error.retry_after.has_value(), error.message);
  if (error.retry_after) {
    constexpr std::chrono::hours kLongest{24 * 365 * 40};
    HUBREV_REQUIRE(error.retry_after->count() >= 0 && *error.retry_after < kLongest, error.message);
  }
}

}  // namespace hubrev::fuzz
