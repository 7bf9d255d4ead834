#pragma once
// What libcurl's result codes mean to us.

#include <curl/curl.h>

#include <chrono>
#include <string>

#include "plugin/base/error.h"

namespace hubrev {

// Whether the exchange has a whole answer although it failed: a server may answer (403, 413) and
// end it before it has read the whole body. HTTP/1 closes the connection then, HTTP/2 resets the
// stream.
bool answered_early(CURLcode code, long status);

// The Error of an exchange without an answer. `detail` is curl's own sentence, or "". A certificate
// problem is kRejected and names its remedy: no certificate becomes valid by trying again.
Error error_from_curl(CURLcode code, const std::string& host, const char* detail);

// No byte has moved for that long (kTimeout).
Error error_from_stall(const std::string& host, std::chrono::milliseconds limit);

}  // namespace hubrev
