#include "plugin/net/route.h"

#include <curl/curl.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <initializer_list>
#include <string_view>

#include "plugin/net/curl_url.h"
#include "plugin/net/http.h"

namespace hubrev {
namespace {

// The first of the variables that is set and not empty.
ProxyChoice from_environment(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') {
      return {name, value};
    }
  }
  return {};
}

// Whether a name of NO_PROXY is the host, or a domain above it.
bool covers(std::string_view name, std::string_view host) {
  if (name.starts_with('.')) name.remove_prefix(1);
  if (name.empty() || !host.ends_with(name)) return false;
  return host.size() == name.size() || host[host.size() - name.size() - 1] == '.';
}

bool is_excepted(std::string_view host) {
  const std::string names = from_environment({"no_proxy", "NO_PROXY"}).url;
  if (names == "*") return true;
  for (std::size_t begin = 0; begin < names.size();) {
    const std::size_t end = std::min(names.find_first_of(", ", begin), names.size());
    if (covers(std::string_view(names).substr(begin, end - begin), host)) return true;
    begin = end + 1;
  }
  return false;
}

std::string host_name(const std::string& url) {
  std::string host = url_host(url);
  if (const std::size_t colon = host.rfind(':'); colon != std::string::npos && host.back() != ']') {
    host.resize(colon);
  }
  return host;
}

}  // namespace

ProxyChoice proxy_to(const std::string& url) {
  ProxyChoice chosen =
      url.starts_with("https:")
          ? from_environment({"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"})
          : from_environment({"http_proxy", "all_proxy", "ALL_PROXY"});
  if (chosen.variable.empty() || is_excepted(host_name(url)) || would_leave_this_machine(url)) {
    return {};
  }
  chosen.url = display_url(chosen.url);
  return chosen;
}

bool would_leave_this_machine(const std::string& url) {
  const std::string proxy = from_environment({"http_proxy", "all_proxy", "ALL_PROXY"}).url;
  return !proxy.empty() && !url.starts_with("https:") && is_this_machine(url) &&
         !is_this_machine(proxy);
}

std::string libcurl_version() {
  const curl_version_info_data* info = curl_version_info(CURLVERSION_NOW);
  return std::string(info->version) + " (" + info->ssl_version + ")";
}

std::optional<std::int64_t> parse_http_date(const std::string& text) {
  const std::time_t seconds = curl_getdate(text.c_str(), nullptr);
  if (seconds < 0) return std::nullopt;
  return static_cast<std::int64_t>(seconds) * 1000;
}

}  // namespace hubrev
