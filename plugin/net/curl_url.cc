#include "plugin/net/curl_url.h"

#include <arpa/inet.h>
#include <strings.h>

#include <algorithm>
#include <array>

#include "plugin/net/curl_handles.h"

namespace hubrev {
namespace {

std::string part(CURLU* url, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, flags) != CURLUE_OK) return "";
  const CurlText owner(text);
  return text;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// Who is asked, and how.
struct Origin {
  std::string scheme;
  std::string host;  // an address in its usual form; IPv6 in brackets
  std::string port;
  bool operator==(const Origin&) const = default;
};

Origin origin_of(CURLU* url) {
  return {part(url, CURLUPART_SCHEME), lower(part(url, CURLUPART_HOST)),
          part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT)};
}

bool names_this_machine(const std::string& host) {
  if (host == "localhost" || host == "[::1]") return true;
  in_addr address{};
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

bool has_credential(const HttpRequest& request) {
  if (request.credential && !request.credential->token.empty()) return true;
  return std::any_of(request.headers.begin(), request.headers.end(), [](const auto& header) {
    return ::strcasecmp(header.first.c_str(), "authorization") == 0;
  });
}

CurlUrl parse(const std::string& text, unsigned flags = 0) {
  CurlUrl url(curl_url());
  if (url && curl_url_set(url.get(), CURLUPART_URL, text.c_str(), flags) != CURLUE_OK) url.reset();
  return url;
}

struct Redirect {
  Origin from;
  Origin to;
  std::string url;  // without user and password
};

Result<Redirect> parse_redirect(const std::string& from, std::string_view location) {
  const CurlUrl url = parse(from);
  if (!url) return make_error(ErrorKind::kConfig, "'" + display_url(from) + "' is not a URL");
  const Origin own = origin_of(url.get());
  const std::string to(location);
  if (to.empty() || curl_url_set(url.get(), CURLUPART_URL, to.c_str(), 0) != CURLUE_OK) {
    return make_error(ErrorKind::kRejected, display_url(from) + " redirects to nowhere");
  }
  curl_url_set(url.get(), CURLUPART_USER, nullptr, 0);
  curl_url_set(url.get(), CURLUPART_PASSWORD, nullptr, 0);
  return Redirect{own, origin_of(url.get()), part(url.get(), CURLUPART_URL)};
}

}  // namespace

bool is_this_machine(const std::string& url) {
  const CurlUrl parsed = parse(url, CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME);
  return parsed && names_this_machine(origin_of(parsed.get()).host);
}

Status check_destination(const HttpRequest& request, bool allow_http) {
  const CurlUrl url = parse(request.url);
  if (!url) {
    return make_error(ErrorKind::kConfig, "'" + display_url(request.url) + "' is not a URL");
  }
  const Origin origin = origin_of(url.get());
  if (origin.scheme == "https") return {};
  if (origin.scheme != "http") {
    return make_error(ErrorKind::kConfig,
                      display_url(request.url) + " is neither an https:// nor an http:// address");
  }
  const bool credential = has_credential(request);
  if (allow_http || names_this_machine(origin.host) || (!credential && !request.body)) return {};
  return make_error(ErrorKind::kConfig,
                    "http://" + url_host(request.url) + " would be sent " +
                        (credential ? "the token" : "your files") +
                        " unencrypted; use https://, or set 'allow_http' if every network on the "
                        "way there is yours");
}

Result<std::string> redirect_target(const std::string& from, std::string_view location) {
  HUBREV_TRY(const Redirect redirect, parse_redirect(from, location));
  if (redirect.from == redirect.to) return redirect.url;
  return make_error(ErrorKind::kRejected, display_url(from) + " redirects to " +
                                              display_url(redirect.url) +
                                              ", another host; set the endpoint to it if you trust "
                                              "it");
}

Result<std::string> foreign_redirect_target(const std::string& from, std::string_view location) {
  HUBREV_TRY(const Redirect redirect, parse_redirect(from, location));
  const bool web = redirect.to.scheme == "https" ||
                   (redirect.to.scheme == "http" && redirect.from.scheme == "http");
  if (web) return redirect.url;
  return make_error(
      ErrorKind::kRejected,
      display_url(from) + " redirects to " + display_url(redirect.url) + ", which is not https://");
}

}  // namespace hubrev
