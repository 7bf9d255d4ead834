#pragma once

#include <memory>

#include "plugin/base/log.h"
#include "plugin/net/http.h"
#include "plugin/net/retry.h"
#include "plugin/types/settings.h"

namespace hubrev {

// The HTTP client and retry policy that the settings ask for. `log` hears of each retry; it may be
// null, and must outlive the context.
std::unique_ptr<HttpClient> make_http(const Settings& settings);
RetryContext make_retry(const Settings& settings, Log* log);

}  // namespace hubrev
