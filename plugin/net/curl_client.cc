#include <strings.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>

#include "plugin/net/ca_bundle.h"
#include "plugin/net/curl_channel.h"
#include "plugin/net/curl_url.h"
#include "plugin/net/echo.h"
#include "plugin/net/http.h"
#include "plugin/net/route.h"
#include "plugin/net/upload_limiter.h"

namespace hubrev {
namespace {

// Bytes that go to the kernel at once. Twice as many wake the receiver half as often, which is 4 %
// of a push's time on one machine, and cost each connection as much memory.
constexpr long kUploadBuffer = 512L << 10;

std::string authorization(const Credential& credential) {
  if (credential.scheme == AuthScheme::kBearer) {
    return "Authorization: Bearer " + credential.token.reveal();
  }
  return "Authorization: Basic " + basic_value(credential.username, credential.token);
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool equal_ignoring_case(const std::string& a, const char* b) {
  return ::strcasecmp(a.c_str(), b) == 0;
}

// Where a message ends and which connection it takes is ours to say: a server that dictated these
// could make one request look like two to the storage behind it.
bool is_framing(const std::string& name) {
  constexpr std::array<const char*, 8> kFraming = {
      "connection", "content-length",    "expect", "host", "te",
      "trailer",    "transfer-encoding", "upgrade"};
  return std::any_of(kFraming.begin(), kFraming.end(),
                     [&](const char* framing) { return equal_ignoring_case(name, framing); });
}

bool is_header_name(std::string_view name) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

bool is_header_value(std::string_view value) {
  return std::none_of(value.begin(), value.end(),
                      [](unsigned char c) { return (c < ' ' && c != '\t') || c == 0x7F; });
}

void append(CurlList& list, const std::string& line) {
  list.reset(curl_slist_append(list.release(), line.c_str()));
}

// kRejected for what would end the header: its value may come from a server.
Result<CurlList> make_headers(const HttpRequest& request) {
  CurlList list;
  bool typed = false;
  for (const auto& [name, value] : request.headers) {
    if (!is_header_name(name) || !is_header_value(value)) {
      return make_error(ErrorKind::kRejected,
                        "a header for " + url_host(request.url) + " is malformed");
    }
    typed = typed || equal_ignoring_case(name, "content-type");
    if (is_framing(name)) continue;
    append(list, value.empty() ? name + ";" : name + ": " + value);  // curl's form of an empty one
  }
  if (request.credential && !request.credential->token.empty()) {
    if (!is_header_value(request.credential->token.reveal())) {
      return make_error(ErrorKind::kConfig, "the token holds a line break or control character");
    }
    append(list, authorization(*request.credential));
  }
  if (request.body) {
    append(list, "Expect:");  // no pause of a second before each body
    if (!typed) append(list, "Content-Type: application/octet-stream");
  }
  return list;
}

// What the request carried for the host that it was meant for.
void leave_behind(HttpRequest& request) {
  request.credential.reset();
  std::erase_if(request.headers, [](const auto& header) {
    return !equal_ignoring_case(header.first, "range") &&
           !equal_ignoring_case(header.first, "accept-encoding");
  });
}

// The answer without what the request had to prove itself with: its own credential, and what a
// server handed out for it, which mostly is what that server was sent before.
void blank_credentials(HttpResponse& response, const HttpRequest& request) {
  if (request.credential) blank_echoes(response, *request.credential);
  for (const auto& [name, value] : request.headers) {
    if (!equal_ignoring_case(name, "authorization")) continue;
    blank_echoes(response, {AuthScheme::kBearer, Secret(value.substr(value.find(' ') + 1))});
  }
}

class CurlClient final : public HttpClient {
 public:
  explicit CurlClient(HttpSettings settings) : settings_(std::move(settings)) {
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
    if (settings_.max_upload_rate > 0) limiter_.emplace(settings_.max_upload_rate, clock_);
  }

  Result<HttpResponse> send(const HttpRequest& request, const std::stop_token& stop) override {
    HttpRequest current = request;
    constexpr int kMaxRedirects = 5;
    for (int hop = 0; hop <= kMaxRedirects; ++hop) {
      if (stop.stop_requested()) return make_error(ErrorKind::kCancelled, "cancelled");
      HUBREV_CHECK(check_destination(current, settings_.allow_http));
      HUBREV_TRY(HttpResponse response, exchange(current, stop));
      blank_credentials(response, request);
      if (!is_redirect(response.status)) return response;
      HUBREV_CHECK(follow(current, response.header("location")));
    }
    return make_error(ErrorKind::kRejected, "too many redirects from " + display_url(request.url));
  }

 private:
  static Status follow(HttpRequest& request, std::string_view location) {
    auto own = redirect_target(request.url, location);
    if (!own.ok() && request.redirects == Redirects::kAnyHost) {
      HUBREV_TRY(request.url, foreign_redirect_target(request.url, location));
      leave_behind(request);
      return {};
    }
    HUBREV_TRY(request.url, std::move(own));
    return {};
  }

  Result<HttpResponse> exchange(const HttpRequest& request, const std::stop_token& stop) {
    HUBREV_TRY(const CurlList headers, make_headers(request));
    std::unique_ptr<CurlChannel> channel = take_channel();
    if (!channel) return make_error(ErrorKind::kInternal, "curl has no memory");
    CurlExchange state(request, stop, limiter_ ? &*limiter_ : nullptr, clock_);
    configure(channel->handle(), request, headers.get());
    state.attach(channel->handle());
    auto response = channel->run(state, settings_.stall_timeout, clock_);
    give_back(std::move(channel));
    return response;
  }

  void configure(CURL* h, const HttpRequest& request, curl_slist* headers) const {
    curl_easy_setopt(h, CURLOPT_URL, request.url.c_str());
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_USERAGENT, settings_.user_agent.c_str());
    if (request.sink) {
      curl_easy_setopt(h, CURLOPT_BUFFERSIZE, 512L << 10);
    } else {
      curl_easy_setopt(h, CURLOPT_ACCEPT_ENCODING, "");
    }
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS,
                     static_cast<long>(settings_.connect_timeout.count()));
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(h, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
    curl_easy_setopt(h, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);  // a proxy's are no answer
    if (!ca_bundle_.empty()) curl_easy_setopt(h, CURLOPT_CAINFO, ca_bundle_.c_str());
    if (would_leave_this_machine(request.url)) curl_easy_setopt(h, CURLOPT_NOPROXY, "*");
    if (request.method == "HEAD") {
      curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
    } else if (request.body) {
      curl_easy_setopt(h, CURLOPT_UPLOAD, 1L);
      curl_easy_setopt(h, CURLOPT_UPLOAD_BUFFERSIZE, kUploadBuffer);
      curl_easy_setopt(h, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.body->size()));
    }
    curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }

  std::unique_ptr<CurlChannel> take_channel() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return CurlChannel::make();
    std::unique_ptr<CurlChannel> channel = std::move(idle_.back());
    idle_.pop_back();
    return channel;
  }

  void give_back(std::unique_ptr<CurlChannel> channel) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(channel));
  }

  const HttpSettings settings_;
  Clock& clock_ = system_clock();
  const std::string ca_bundle_ = ca_bundle();
  std::optional<UploadLimiter> limiter_;
  std::mutex mutex_;  // guards idle_
  std::vector<std::unique_ptr<CurlChannel>> idle_;
};

}  // namespace

std::unique_ptr<HttpClient> make_curl_client(HttpSettings settings) {
  return std::make_unique<CurlClient>(std::move(settings));
}

}  // namespace hubrev
