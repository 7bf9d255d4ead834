#include "plugin/worker/transport.h"

#include <string>

namespace hubrev {

std::unique_ptr<HttpClient> make_http(const Settings& settings) {
  HttpSettings http;
  http.connect_timeout = settings.connect_timeout;
  http.stall_timeout = settings.stall_timeout;
  http.user_agent = "hub-revisions/" HUBREV_VERSION;
  return make_curl_client(std::move(http));
}

RetryContext make_retry(const Settings& settings, Log* log) {
  RetryContext retry;
  retry.clock = &system_clock();
  retry.policy.max_retries = settings.max_retries;
  retry.policy.max_delay = settings.retry_max_delay;
  if (log != nullptr) {
    retry.on_retry = [log](const Error& error, std::chrono::milliseconds delay) {
      log->write(LogLevel::kWarning,
                 error.message + "; trying again in " + std::to_string(delay.count()) + " ms");
    };
  }
  return retry;
}

}  // namespace hubrev
