#pragma once
// What a server says about its request quotas, in headers that every answer of the Hub carries.

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "plugin/net/http.h"

namespace hubrev {

// One quota of `RateLimit: "api";r=<left>;t=<seconds to reset>` with its size from
// `RateLimit-Policy: "fixed window";"api";q=<size>;w=<seconds>`
// (draft-ietf-httpapi-ratelimit-headers).
struct RequestQuota {
  std::string name;
  long left = 0;                              // requests
  std::optional<std::chrono::seconds> reset;  // from now until it is full again
  std::optional<long> size;                   // requests per window
};

// The quotas that the answer tells. What is malformed is left out; numbers are never negative, and
// times at most 30 years.
std::vector<RequestQuota> quotas_from_headers(const HttpResponse& response);

// The pause that the server asks for before the request is repeated; after a 429 never none. An
// empty quota is full again after its reset; with requests left another limit was hit, and only
// Retry-After tells. Its form with a date is not read, as huggingface_hub does not.
std::optional<std::chrono::milliseconds> pause_from_headers(const HttpResponse& response);

}  // namespace hubrev
