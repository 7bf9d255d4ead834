#pragma once
// The way to a server, for those who look for what is wrong with it: the proxy, by the variables
// that curl honours, in its order; the libraries' versions, and what the server's clock says.

#include <cstdint>
#include <optional>
#include <string>

namespace hubrev {

struct ProxyChoice {
  std::string variable;  // that decides; "" for no proxy
  std::string url;       // without user name and password
};

// The proxy that requests to `url` go through: HTTPS_PROXY, http_proxy, ALL_PROXY, unless NO_PROXY
// names the host. The address ranges that newer versions of curl know in NO_PROXY (10.0.0.0/8) are
// not looked into here.
ProxyChoice proxy_to(const std::string& url);

// Whether a proxy elsewhere would get to see, unencrypted, what is for this machine only. Such a
// URL is asked directly.
bool would_leave_this_machine(const std::string& url);

// Of the library in this process and of its TLS library: "8.5.0 (OpenSSL/3.0.13)".
std::string libcurl_version();

// Unix milliseconds of a header's date ("Fri, 27 Nov 2026 03:00:00 GMT"); nullopt when it is none.
std::optional<std::int64_t> parse_http_date(const std::string& text);

}  // namespace hubrev
