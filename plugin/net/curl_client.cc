#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <span>

#include "plugin/net/curl_error.h"
#include "plugin/net/echo.h"
#include "plugin/net/http.h"

namespace hubrev {
namespace {

struct EasyDeleter {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
using EasyHandle = std::unique_ptr<CURL, EasyDeleter>;

struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, ListDeleter>;

void append(HeaderList& list, const std::string& line) {
  list.reset(curl_slist_append(list.release(), line.c_str()));
}

std::string authorization(const Credential& credential) {
  if (credential.scheme == AuthScheme::kBearer) {
    return "Authorization: Bearer " + credential.token.reveal();
  }
  return "Authorization: Basic " + basic_value(credential.token);
}

// One exchange's state, given to curl's callbacks. Neither copied nor moved once registered.
struct Exchange {
  const HttpRequest& request;
  const std::stop_token& stop;
  HttpResponse response;
  bool head_complete = false;  // of the last answer that began
  std::optional<SourceReader> body;
  std::optional<Error> failure;  // the callback's own reason, better than curl's

  Exchange(const HttpRequest& r, const std::stop_token& s) : request(r), stop(s) {
    if (r.body) body = r.body->open();
  }
};

std::size_t on_body(char* data, std::size_t size, std::size_t count, void* user) noexcept {
  auto& exchange = *static_cast<Exchange*>(user);
  const std::size_t bytes = size * count;
  if (exchange.response.body.size() + bytes > exchange.request.max_response_bytes) {
    exchange.failure = make_error(ErrorKind::kRejected, "the answer is larger than expected");
    return 0;
  }
  exchange.response.body.append(data, bytes);
  return bytes;
}

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* user) noexcept {
  auto& exchange = *static_cast<Exchange*>(user);
  const std::string_view line(data, size * count);
  if (line.starts_with("HTTP/")) {
    exchange.response.headers.clear();  // an interim answer (100 Continue) came before
    exchange.head_complete = false;
    return line.size();
  }
  if (line == "\r\n" || line == "\n") exchange.head_complete = true;
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return line.size();
  std::string name(line.substr(0, colon));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && std::isspace(static_cast<unsigned char>(value.front())))
    value.remove_prefix(1);
  while (!value.empty() && std::isspace(static_cast<unsigned char>(value.back())))
    value.remove_suffix(1);
  exchange.response.headers.emplace_back(std::move(name), std::string(value));
  return line.size();
}

// noexcept all the same: nothing may unwind through curl; without memory the process ends here.
// NOLINTNEXTLINE(bugprone-exception-escape)
std::size_t on_read(char* buffer, std::size_t size, std::size_t count, void* user) noexcept {
  auto& exchange = *static_cast<Exchange*>(user);
  auto got = exchange.body->read(std::span(buffer, size * count));
  if (!got.ok()) {
    exchange.failure = std::move(got).error();
    return CURL_READFUNC_ABORT;
  }
  if (exchange.request.sent != nullptr) *exchange.request.sent += *got;
  return *got;
}

int on_seek(void* user, curl_off_t offset, int origin) noexcept {
  auto& exchange = *static_cast<Exchange*>(user);
  if (origin != SEEK_SET || offset != 0) return CURL_SEEKFUNC_CANTSEEK;
  exchange.body->rewind();
  return CURL_SEEKFUNC_OK;
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) noexcept {
  return static_cast<Exchange*>(user)->stop.stop_requested() ? 1 : 0;
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// The first of the variables that Python's HTTP stacks honour for a CA bundle.
const char* ca_bundle_from_environment() {
  for (const char* name : {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"}) {
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') return value;
  }
  return nullptr;
}

class CurlClient final : public HttpClient {
 public:
  explicit CurlClient(HttpSettings settings) : settings_(std::move(settings)) {
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
    if (const char* bundle = ca_bundle_from_environment()) ca_bundle_ = bundle;
  }

  Result<HttpResponse> send(const HttpRequest& request, const std::stop_token& stop) override {
    HttpRequest current = request;
    constexpr int kMaxRedirects = 5;
    for (int hop = 0; hop <= kMaxRedirects; ++hop) {
      if (stop.stop_requested()) return make_error(ErrorKind::kCancelled, "cancelled");
      HUBREV_TRY(HttpResponse response, exchange(current, stop));
      if (request.credential) blank_echoes(response, request.credential->token);
      if (!is_redirect(response.status)) return response;
      HUBREV_TRY(current.url, redirect_target(current.url, response));
    }
    return make_error(ErrorKind::kRejected, "too many redirects from " + display_url(request.url));
  }

 private:
  // A renamed repository redirects within its host; anything else would hand the credential and the
  // content to a stranger.
  static Result<std::string> redirect_target(const std::string& from,
                                             const HttpResponse& response) {
    std::string to(response.header("location"));
    if (to.starts_with('/') && !to.starts_with("//")) {
      const std::size_t path = from.find('/', from.find("://") + 3);
      to = from.substr(0, path) + to;
    }
    const bool downgrade = from.starts_with("https://") && !to.starts_with("https://");
    if (url_host(to).empty() || url_host(to) != url_host(from) || downgrade) {
      return make_error(ErrorKind::kRejected,
                        display_url(from) + " redirects to " +
                            (to.empty() ? "nowhere" : display_url(to)) +
                            ", another host; set the endpoint to it if you trust it");
    }
    return to;
  }

  Result<HttpResponse> exchange(const HttpRequest& request, const std::stop_token& stop) {
    EasyHandle handle = take_handle();
    if (!handle) return make_error(ErrorKind::kInternal, "curl_easy_init failed");
    Exchange state(request, stop);
    std::array<char, CURL_ERROR_SIZE> detail{};
    const HeaderList headers = make_headers(request);
    configure(handle.get(), state, headers.get(), detail.data());
    const CURLcode code = curl_easy_perform(handle.get());
    long status = 0;
    curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &status);
    curl_easy_reset(handle.get());  // forgets callbacks and their pointers, keeps the connection
    give_back(std::move(handle));
    if (code != CURLE_OK && !answered_early(code, status)) {
      return failure(code, state, detail.data());
    }
    // To curl, an answer whose head was cut short is one without a body.
    if (!state.head_complete) {
      return make_error(ErrorKind::kNetwork,
                        "no answer from " + url_host(request.url) + ": it was cut short");
    }
    state.response.status = static_cast<int>(status);
    return std::move(state.response);
  }

  static Error failure(CURLcode code, const Exchange& state, const char* detail) {
    if (state.stop.stop_requested()) return make_error(ErrorKind::kCancelled, "cancelled");
    if (state.failure) return *state.failure;
    return error_from_curl(code, url_host(state.request.url), detail);
  }

  static HeaderList make_headers(const HttpRequest& request) {
    HeaderList list;
    for (const auto& [name, value] : request.headers) append(list, name + ": " + value);
    if (request.credential && !request.credential->token.empty()) {
      append(list, authorization(*request.credential));
    }
    if (request.body) {
      append(list, "Expect:");  // no pause of a second before each body
      const bool typed =
          std::any_of(request.headers.begin(), request.headers.end(), [](const auto& h) {
            return h.first.size() == 12 && strcasecmp(h.first.c_str(), "content-type") == 0;
          });
      if (!typed) append(list, "Content-Type: application/octet-stream");
    }
    return list;
  }

  void configure(CURL* h, Exchange& state, curl_slist* headers, char* detail) const {
    const HttpRequest& request = state.request;
    curl_easy_setopt(h, CURLOPT_URL, request.url.c_str());
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, detail);
    curl_easy_setopt(h, CURLOPT_USERAGENT, settings_.user_agent.c_str());
    curl_easy_setopt(h, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS,
                     static_cast<long>(settings_.connect_timeout.count()));
    curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME,
                     std::max(1L, static_cast<long>(settings_.stall_timeout.count() / 1000)));
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(h, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
    if (!ca_bundle_.empty()) curl_easy_setopt(h, CURLOPT_CAINFO, ca_bundle_.c_str());
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, &state);
    curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(h, CURLOPT_HEADERDATA, &state);
    curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(h, CURLOPT_XFERINFODATA, &state);
    if (request.method == "HEAD") {
      curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
    } else if (request.body) {
      curl_easy_setopt(h, CURLOPT_UPLOAD, 1L);
      curl_easy_setopt(h, CURLOPT_UPLOAD_BUFFERSIZE, 256L << 10);
      curl_easy_setopt(h, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.body->size()));
      curl_easy_setopt(h, CURLOPT_READFUNCTION, on_read);
      curl_easy_setopt(h, CURLOPT_READDATA, &state);
      curl_easy_setopt(h, CURLOPT_SEEKFUNCTION, on_seek);
      curl_easy_setopt(h, CURLOPT_SEEKDATA, &state);
    }
    curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }

  EasyHandle take_handle() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return EasyHandle(curl_easy_init());
    EasyHandle handle = std::move(idle_.back());
    idle_.pop_back();
    return handle;
  }

  void give_back(EasyHandle handle) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(handle));
  }

  HttpSettings settings_;
  std::string ca_bundle_;
  std::mutex mutex_;  // guards idle_
  std::vector<EasyHandle> idle_;
};

}  // namespace

std::unique_ptr<HttpClient> make_curl_client(HttpSettings settings) {
  return std::make_unique<CurlClient>(std::move(settings));
}

}  // namespace hubrev
