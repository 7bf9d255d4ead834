#pragma once
// An HttpClient that answers from a script and remembers what it was asked.

#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "plugin/net/http.h"

namespace hubrev::testing {

struct SeenRequest {
  std::string method;
  std::string url;
  HttpHeaders headers;
  bool authorized = false;  // a credential was attached
  std::string body;
};

// Thread-safe.
class FakeHttp final : public HttpClient {
 public:
  using Handler = std::function<Result<HttpResponse>(const SeenRequest&)>;
  explicit FakeHttp(Handler handler) : handler_(std::move(handler)) {}

  Result<HttpResponse> send(const HttpRequest& request, const std::stop_token& stop) override {
    if (stop.stop_requested()) return make_error(ErrorKind::kCancelled, "cancelled");
    SeenRequest seen{request.method, request.url, request.headers, request.credential.has_value(),
                     ""};
    if (request.body) {
      HUBREV_TRY(seen.body, request.body->read_all(64u << 20));
      if (request.sent != nullptr) *request.sent += seen.body.size();
    }
    {
      const std::lock_guard lock(mutex_);
      seen_.push_back(seen);
    }
    auto answer = handler_(seen);
    const bool success = answer.ok() && answer->status >= 200 && answer->status <= 299;
    if (!request.sink || !success) return answer;
    const std::string body = std::exchange(answer->body, "");
    if (!body.empty()) HUBREV_CHECK(request.sink(*answer, body));
    return answer;
  }

  std::vector<SeenRequest> seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }

 private:
  Handler handler_;
  mutable std::mutex mutex_;  // guards seen_
  std::vector<SeenRequest> seen_;
};

inline HttpResponse respond(int status, std::string body = "", HttpHeaders headers = {}) {
  HttpResponse response;
  response.status = status;
  response.body = std::move(body);
  response.headers = std::move(headers);
  return response;
}

}  // namespace hubrev::testing
