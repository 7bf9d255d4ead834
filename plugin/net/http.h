#pragma once
// One HTTP request and its answer. HttpClient is the second of the worker's two interfaces.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plugin/base/result.h"
#include "plugin/base/secret.h"
#include "plugin/types/source.h"

namespace hubrev {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

enum class AuthScheme {
  kBearer,  // REST and LFS
  kBasic,   // git: a user name, the token as password
};

// What follows "Authorization: Basic ". As secret as the token: whoever redacts the one redacts the
// other too.
std::string basic_value(std::string_view username, const Secret& token);

// Sent pre-emptively, to the host of the request's URL and to no other.
struct Credential {
  AuthScheme scheme = AuthScheme::kBearer;
  Secret token;
  std::string username = "hf_user";  // of kBasic
};

struct HttpResponse {
  int status = 0;
  HttpHeaders headers;  // names in lower case
  std::string body;
  // The value of the first header of that (lower-case) name; "" when absent.
  std::string_view header(std::string_view name) const;
};

// Takes the pieces of a body as they come, on the thread of send(). An Error ends the exchange and
// is its outcome.
using BodySink = std::function<Status(const HttpResponse& head, std::string_view bytes)>;

// Which redirects are followed.
enum class Redirects {
  kOwnHost,  // with credential and headers; any other is an error (rejected)
  // Elsewhere, too, but with neither credential nor headers, other than Range and Accept-Encoding:
  // what one host dictated is not for another. Never from https:// to http://.
  kAnyHost,
};

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  HttpHeaders headers;                   // without Authorization unless a server dictated it
  std::optional<Credential> credential;  // absent for pre-signed URLs
  std::optional<Source> body;            // sent with Content-Length; rewound when sent again
  // Longest answer body kept in memory; a longer one is an error (rejected).
  std::uint64_t max_response_bytes = 16ull << 20;
  std::atomic<std::uint64_t>* sent = nullptr;  // counts body bytes put on the wire; may be null
  // Where the body of a 2xx answer goes instead of HttpResponse::body, however long it is. May be
  // empty.
  BodySink sink;
  Redirects redirects = Redirects::kOwnHost;
};

class HttpClient {
 public:
  virtual ~HttpClient() = default;
  // Blocks until the whole answer is here. Any status is a success of this call; an Error means
  // there was no answer (network, timeout, cancelled). Follows redirects as the request says.
  // Thread-safe. Does not retry.
  virtual Result<HttpResponse> send(const HttpRequest& request, const std::stop_token& stop) = 0;
};

struct HttpSettings {
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds stall_timeout{60'000};  // no byte in either direction for this long
  std::string user_agent;
  // Body bytes per second of all exchanges together; 0: no cap. Waiting for it is no stall.
  std::uint64_t max_upload_rate = 0;
  // Whether credentials and contents may go over http:// to hosts other than this machine.
  bool allow_http = false;
};

// The HttpClient that talks to a network, over libcurl. Proxy and CA settings come from the usual
// environment variables (HTTPS_PROXY, NO_PROXY; see ca_bundle.h).
// Connections are kept alive and reused. A requested stop ends an exchange within milliseconds,
// whatever it waits for. What would send a credential or a body unencrypted to another machine is
// kConfig, unless the settings allow it; what the server dictates can neither split a request nor
// change its framing.
std::unique_ptr<HttpClient> make_curl_client(HttpSettings settings);

// The pause after a 429 that tells no end of its own. Not the request quota was used up but the
// limit of one action (commits per hour, say), whose numbers the Hub keeps to itself.
inline constexpr std::chrono::minutes kActionLimitPause{5};

// The Error that a non-2xx answer stands for: its kind from the status, its text from the Hub's
// error headers and body forms, the pause the server asked for (after a 429 never none), its
// request id. `what` names the call, e.g. "creating repository a/b". Source: docs of the Hub's API
// errors and rate limits.
Error error_from_response(const HttpResponse& response, std::string_view what);

// send() and then error_from_response() unless the status is 2xx.
Result<HttpResponse> send_expecting_success(HttpClient& client, const HttpRequest& request,
                                            std::string_view what, const std::stop_token& stop);

// The URL without its query (pre-signed URLs carry their signature there) and user info; for
// messages.
std::string display_url(std::string_view url);
// Everything but unreserved characters as %XX, '/' too: for one path segment.
std::string percent_encode(std::string_view text);
// "host[:port]" in lower case, default ports dropped; "" when it is no http:// or https:// URL.
std::string url_host(std::string_view url);

}  // namespace hubrev
