#pragma once

#include <memory>

#include "plugin/base/log.h"
#include "plugin/net/http.h"
#include "plugin/net/retry.h"
#include "plugin/types/settings.h"

namespace hubrev {

// The HTTP client and retry policy that the settings ask for. `log` hears of each retry, and of a
// server whose request quota slows us down; it may be null, and must outlive both.
std::unique_ptr<HttpClient> make_http(const Settings& settings, Log* log);
RetryContext make_retry(const Settings& settings, Log* log);

}  // namespace hubrev
