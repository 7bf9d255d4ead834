#include "plugin/net/curl_channel.h"

#include <algorithm>
#include <utility>

#include "plugin/net/curl_error.h"

namespace hubrev {
namespace {

using std::chrono::milliseconds;
using TimePoint = std::chrono::steady_clock::time_point;

// As many as an easy handle alone would keep; a multi handle's own default is 4.
constexpr long kKeptConnections = 5;

// Since when nothing has moved.
class StallWatch {
 public:
  StallWatch(milliseconds limit, TimePoint now) : limit_(limit), since_(now) {}
  void see(std::uint64_t bytes_moved, TimePoint now) {
    if (std::exchange(seen_, bytes_moved) != bytes_moved) since_ = now;
  }
  void excuse(TimePoint now) { since_ = now; }
  TimePoint end() const { return since_ + limit_; }

 private:
  milliseconds limit_;
  TimePoint since_;
  std::uint64_t seen_ = 0;
};

Error internal(const char* what) {
  return make_error(ErrorKind::kInternal, std::string("curl failed: ") + what);
}

}  // namespace

std::unique_ptr<CurlChannel> CurlChannel::make() {
  CurlMulti multi(curl_multi_init());
  CurlEasy easy(curl_easy_init());
  if (!multi || !easy) return nullptr;
  curl_multi_setopt(multi.get(), CURLMOPT_MAXCONNECTS, kKeptConnections);
  return std::unique_ptr<CurlChannel>(new CurlChannel(std::move(multi), std::move(easy)));
}

CurlChannel::CurlChannel(CurlMulti multi, CurlEasy easy)
    : multi_(std::move(multi)), easy_(std::move(easy)) {}

Result<HttpResponse> CurlChannel::run(CurlExchange& exchange, milliseconds stall_timeout,
                                      Clock& clock) {
  // A name that is being resolved blocks a thread of curl's; it is left behind, not waited for.
  curl_easy_setopt(easy_.get(), CURLOPT_QUICK_EXIT, 1L);
  if (curl_multi_add_handle(multi_.get(), easy_.get()) != CURLM_OK) return internal("no handle");
  const Status status = drive(exchange, stall_timeout, clock);
  long code = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &code);
  curl_multi_remove_handle(multi_.get(), easy_.get());
  curl_easy_reset(easy_.get());  // forgets the callbacks; the connection is the multi handle's
  HUBREV_CHECK(status);
  exchange.response().status = static_cast<int>(code);
  return std::move(exchange.response());
}

Status CurlChannel::drive(CurlExchange& exchange, milliseconds stall_timeout, Clock& clock) {
  // Its destructor waits for a callback that is under way, so multi_ is there as long as it runs.
  const std::stop_callback wake(exchange.stop(),
                                [multi = multi_.get()] { curl_multi_wakeup(multi); });
  StallWatch stall(stall_timeout, clock.now());
  for (;;) {
    if (exchange.stop().stop_requested()) return make_error(ErrorKind::kCancelled, "cancelled");
    int running = 0;
    if (curl_multi_perform(multi_.get(), &running) != CURLM_OK) return internal("perform");
    if (running == 0) return outcome(exchange);
    const TimePoint now = clock.now();
    stall.see(bytes_moved(), now);
    if (exchange.resume_at() || !connected()) stall.excuse(now);
    if (stall.end() <= now) {
      return error_from_stall(url_host(exchange.request().url), stall_timeout);
    }
    const TimePoint until = std::min(stall.end(), exchange.resume_at().value_or(stall.end()));
    const milliseconds wait =
        std::max(std::chrono::ceil<milliseconds>(until - now), milliseconds(0));
    if (curl_multi_poll(multi_.get(), nullptr, 0, static_cast<int>(wait.count()), nullptr) !=
        CURLM_OK) {
      return internal("poll");
    }
    if (exchange.resume_at() && *exchange.resume_at() <= clock.now()) exchange.resume(easy_.get());
  }
}

Status CurlChannel::outcome(const CurlExchange& exchange) const {
  CURLcode code = CURLE_FAILED_INIT;
  int queued = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &queued)) {
    if (message->msg == CURLMSG_DONE) code = message->data.result;
  }
  long status = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
  const bool answered = code == CURLE_OK || answered_early(code, status);
  if (answered && exchange.head_complete()) return {};
  if (answered) {  // to curl, an answer whose head was cut short is one without a body
    return make_error(ErrorKind::kNetwork,
                      "no answer from " + url_host(exchange.request().url) + ": it was cut short");
  }
  if (exchange.stop().stop_requested()) return make_error(ErrorKind::kCancelled, "cancelled");
  if (exchange.failure()) return *exchange.failure();
  return error_from_curl(code, url_host(exchange.request().url), exchange.detail());
}

std::uint64_t CurlChannel::bytes_moved() const {
  curl_off_t sent = 0;
  curl_off_t received = 0;
  long headers = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_SIZE_UPLOAD_T, &sent);
  curl_easy_getinfo(easy_.get(), CURLINFO_SIZE_DOWNLOAD_T, &received);
  curl_easy_getinfo(easy_.get(), CURLINFO_HEADER_SIZE, &headers);
  return static_cast<std::uint64_t>(sent + received + headers);
}

bool CurlChannel::connected() const {
  curl_off_t since = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_PRETRANSFER_TIME_T, &since);
  return since > 0;
}

}  // namespace hubrev
