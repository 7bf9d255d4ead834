#pragma once
// The state of one HTTP exchange, and curl's callbacks that fill it.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string_view>

#include "plugin/net/curl_handles.h"
#include "plugin/net/http.h"
#include "plugin/net/upload_limiter.h"

namespace hubrev {

// Made for one request and one stop token, both of which outlive it. Used by one thread; neither
// copied nor moved, since curl keeps its address.
class CurlExchange {
 public:
  // `limiter`: null for no cap.
  CurlExchange(const HttpRequest& request, const std::stop_token& stop, UploadLimiter* limiter,
               Clock& clock);
  CurlExchange(const CurlExchange&) = delete;
  CurlExchange& operator=(const CurlExchange&) = delete;

  // Makes curl call back; until the handle is reset.
  void attach(CURL* handle);

  const HttpRequest& request() const { return request_; }
  const std::stop_token& stop() const { return stop_; }
  // When the upload goes on that the cap has paused; the caller must unpause it then.
  const std::optional<UploadLimiter::TimePoint>& resume_at() const { return resume_at_; }
  void resume(CURL* handle);
  // Why a callback ended the exchange: better than curl's own reason.
  const std::optional<Error>& failure() const { return failure_; }
  // curl's words, or "".
  const char* detail() const { return detail_.data(); }
  // Whether the last answer that began came with all of its head.
  bool head_complete() const { return head_complete_; }
  // The answer as far as it has come.
  HttpResponse& response() { return response_; }

 private:
  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* user) noexcept;
  static std::size_t on_header(char* data, std::size_t size, std::size_t count,
                               void* user) noexcept;
  static std::size_t on_read(char* buffer, std::size_t size, std::size_t count,
                             void* user) noexcept;
  static int on_seek(void* user, curl_off_t offset, int origin) noexcept;

  std::size_t take_body(std::string_view bytes);
  std::size_t take_header(std::string_view line);
  std::size_t give_body(std::span<char> buffer);
  std::size_t allowed(std::size_t wanted);

  const HttpRequest& request_;
  const std::stop_token& stop_;
  UploadLimiter* limiter_;
  Clock& clock_;
  HttpResponse response_;
  bool head_complete_ = false;
  std::uint64_t header_bytes_ = 0;  // of every answer, interim ones too
  std::optional<SourceReader> body_;
  std::uint64_t body_left_ = 0;
  UploadLimiter::Slot slot_;
  std::optional<UploadLimiter::TimePoint> resume_at_;
  std::optional<Error> failure_;
  std::array<char, CURL_ERROR_SIZE> detail_{};
};

}  // namespace hubrev
