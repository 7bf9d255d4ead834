// The Error that an answer stands for: status, RateLimit and Retry-After, the forms of a body.

#include "tests/fuzz/http_answer.h"

namespace hubrev::fuzz {

HUBREV_FUZZ(input) {
  const HttpResponse response = http_answer_of(input);
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
