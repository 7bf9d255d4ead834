#pragma once
// Runs one exchange after the other, and can be woken from outside at any time.

#include <chrono>
#include <memory>

#include "plugin/net/curl_exchange.h"
#include "plugin/net/curl_handles.h"

namespace hubrev {

// An easy handle and the multi handle that drives it and keeps its connections. curl's own blocking
// call looks about once a second whether it should stop; a multi handle's poll can be woken. Used
// by one thread at a time, except for what a stop_callback does (curl_multi_wakeup).
class CurlChannel {
 public:
  // Null when curl has no memory.
  static std::unique_ptr<CurlChannel> make();

  // To be configured before run(), which resets it.
  CURL* handle() const { return easy_.get(); }

  // Blocks until the answer is here, or the exchange failed, was stalled for `stall_timeout`, or
  // its stop was requested: then it returns within milliseconds, and the connection is closed.
  // Waiting for the upload cap, and connecting, which has a limit of its own, are no stall.
  Result<HttpResponse> run(CurlExchange& exchange, std::chrono::milliseconds stall_timeout,
                           Clock& clock);

 private:
  CurlChannel(CurlMulti multi, CurlEasy easy);
  Status drive(CurlExchange& exchange, std::chrono::milliseconds stall_timeout, Clock& clock);
  Status outcome(const CurlExchange& exchange) const;
  std::uint64_t bytes_moved() const;
  bool connected() const;

  CurlMulti multi_;  // outlives easy_
  CurlEasy easy_;
};

}  // namespace hubrev
