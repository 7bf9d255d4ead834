#include "plugin/net/curl_error.h"

#include <sstream>
#include <string_view>

namespace hubrev {
namespace {

// A proxy that refuses the tunnel to the server. curl has no code of its own for it, only words.
bool refused_by_proxy(std::string_view detail) {
  return detail.starts_with("CONNECT tunnel failed, response 4");
}

ErrorKind kind_from_curl(CURLcode code, std::string_view detail) {
  if (refused_by_proxy(detail)) return ErrorKind::kRejected;
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return ErrorKind::kTimeout;
    case CURLE_URL_MALFORMAT:
      return ErrorKind::kConfig;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_OUT_OF_MEMORY:  // what curl says of a header beyond its own limit of 100 KiB
      return ErrorKind::kRejected;
    default:
      return ErrorKind::kNetwork;
  }
}

// What to do about it, for the failures that only a person can mend; "" for the others.
std::string_view remedy(CURLcode code, std::string_view detail) {
  if (refused_by_proxy(detail)) {
    return ": the proxy refuses; check HTTPS_PROXY, or name the host in NO_PROXY";
  }
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
      return "; check that this is the right host, or name the file of the certificate authority "
             "you trust in REQUESTS_CA_BUNDLE or SSL_CERT_FILE";
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
      return "; REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE and SSL_CERT_FILE must name a readable file of "
             "certificates in PEM form, or be unset";
    case CURLE_OUT_OF_MEMORY:
      return ", or a header too long to be one";
    default:
      return "";
  }
}

}  // namespace

bool answered_early(CURLcode code, long status) {
  return status >= 400 && (code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR ||
                           code == CURLE_HTTP2 || code == CURLE_HTTP2_STREAM);
}

Error error_from_curl(CURLcode code, const std::string& host, const char* detail) {
  std::string text = *detail != '\0' ? detail : curl_easy_strerror(code);
  text += remedy(code, detail);
  return make_error(kind_from_curl(code, detail), "no answer from " + host + ": " + text);
}

Error error_from_stall(const std::string& host, std::chrono::milliseconds limit) {
  const double seconds = std::chrono::duration<double>(limit).count();
  std::ostringstream text;
  text << "no answer from " << host << ": no byte moved in either direction for " << seconds
       << " s";
  return make_error(ErrorKind::kTimeout, text.str());
}

}  // namespace hubrev
