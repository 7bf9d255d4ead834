#include "plugin/worker/transport.h"

#include <string>

#include "plugin/net/paced_client.h"

namespace hubrev {

std::unique_ptr<HttpClient> make_http(const Settings& settings, Log* log) {
  HttpSettings http;
  http.connect_timeout = settings.connect_timeout;
  http.stall_timeout = settings.stall_timeout;
  http.max_upload_rate = settings.max_upload_rate.value_or(0);
  http.allow_http = settings.allow_http;
  http.user_agent = "hub-revisions/" HUBREV_VERSION;
  PacedClient::OnSlowing on_slowing;
  if (log != nullptr) {
    on_slowing = [log](const std::string& what) { log->write(LogLevel::kWarning, what); };
  }
  return std::make_unique<PacedClient>(make_curl_client(std::move(http)), system_clock(),
                                       std::move(on_slowing));
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
