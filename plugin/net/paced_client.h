#pragma once
// Slows down before a server's request quota is used up, so that the server need not refuse.

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "plugin/base/clock.h"
#include "plugin/net/http.h"
#include "plugin/net/rate_limit.h"

namespace hubrev {

// An HttpClient around another one. Remembers, per host, the quotas that its last answers told.
// With none left, the next request to that host waits until the quota is full again; with few left
// (10, or 2 % of its size), they are spread evenly over the time until then. An answer that tells
// of more left ends that, and so does the end of that time. Other hosts are never held up.
// Waits end at once with kCancelled when a stop is requested. Thread-safe.
class PacedClient final : public HttpClient {
 public:
  // Told once for each time that a host slows us down, in a sentence for the log, on the thread of
  // the request that waits. May be empty.
  using OnSlowing = std::function<void(const std::string&)>;

  // `clock` outlives this.
  PacedClient(std::unique_ptr<HttpClient> inner, Clock& clock, OnSlowing on_slowing);

  Result<HttpResponse> send(const HttpRequest& request, const std::stop_token& stop) override;

 private:
  using TimePoint = std::chrono::steady_clock::time_point;
  // A quota that is nearly used up.
  struct Scarce {
    long left = 0;      // by the last answer, less what was sent since
    TimePoint next;     // when the next request may be sent
    TimePoint full;     // when the quota is full again
    bool told = false;  // on_slowing_ knows
  };
  struct Wait {
    std::chrono::milliseconds pause{0};  // then look again
    std::optional<std::chrono::seconds> tell;
  };

  Status await_turn(const std::string& host, const std::stop_token& stop);
  Wait take_turn(const std::string& host);
  void remember(const std::string& host, const HttpResponse& response);
  void remember(std::map<std::string, Scarce>& quotas, const RequestQuota& quota);

  const std::unique_ptr<HttpClient> inner_;
  Clock& clock_;
  const OnSlowing on_slowing_;
  std::mutex mutex_;  // guards scarce_; never held while waiting or sending
  std::map<std::string, std::map<std::string, Scarce>> scarce_;  // host -> quota's name
};

}  // namespace hubrev
