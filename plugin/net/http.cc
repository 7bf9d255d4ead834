#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "plugin/base/utf8.h"
#include "plugin/net/http.h"
#include "plugin/net/rate_limit.h"
#include "plugin/types/json_read.h"

namespace hubrev {
namespace {

using nlohmann::json;

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

ErrorKind kind_from_status(int status) {
  switch (status) {
    case 401:
    case 403:
      return ErrorKind::kAuth;
    case 404:
    case 410:
      return ErrorKind::kNotFound;
    case 408:
      return ErrorKind::kServer;
    case 409:
    case 412:
      return ErrorKind::kConflict;
    case 429:
      return ErrorKind::kRateLimited;
    case 501:  // "does not do this", and the two storage limits of LFS: no retry helps
    case 507:
    case 509:
      return ErrorKind::kRejected;
    default:
      return status >= 500 ? ErrorKind::kServer : ErrorKind::kRejected;
  }
}

// What stands between <name> and </name>; "" when it is not there.
std::string_view xml_element(std::string_view body, std::string_view name) {
  const std::string open = "<" + std::string(name) + ">";
  const std::size_t begin = body.find(open);
  if (begin == std::string_view::npos) return {};
  body.remove_prefix(begin + open.size());
  return body.substr(0, body.find('<'));
}

// Where files are stored, errors are XML (S3 "Error responses"): <Error><Code>, <Message>. "" of
// any other body.
std::string_view s3_error(std::string_view body) {
  return body.substr(std::min(body.find("<Error>"), body.size()));
}

// S3 answers 400 to an upload that paused for too long, and to an address whose credentials have
// expired ("RequestTimeout" and "ExpiredToken" of its error responses).
ErrorKind kind_of(const HttpResponse& response) {
  if (response.status == 400) {
    const std::string_view code = xml_element(s3_error(response.body), "Code");
    if (code == "RequestTimeout") return ErrorKind::kServer;
    if (code == "ExpiredToken") return ErrorKind::kAuth;
  }
  return kind_from_status(response.status);
}

constexpr std::size_t kLongestText = 4096;  // of a server's words in a message
constexpr std::size_t kLongestId = 256;     // of a request id

void append_text(std::string& text, const json& value) {
  if (!value.is_string() || text.size() > kLongestText) return;
  if (!text.empty()) text += "; ";
  text += value.get_ref<const std::string&>();
}

std::string text_from_xml(std::string_view body) {
  const std::string_view error = s3_error(body);
  const std::string_view code = xml_element(error, "Code");
  const std::string_view message = xml_element(error, "Message");
  return std::string(code) + (code.empty() || message.empty() ? "" : ": ") + std::string(message);
}

// The forms an error body takes: {"error": str | [str]}, {"error", "error_description"},
// {"errors": [{"message"}]}, {"message"} (LFS).
std::string text_from_body(const std::string& body) {
  const json parsed = parse_json(body);
  std::string text;
  if (parsed.is_object()) {
    if (const auto error = parsed.find("error"); error != parsed.end()) {
      append_text(text, *error);
      if (error->is_array()) {
        for (const json& one : *error) append_text(text, one);
      }
    }
    if (const auto more = parsed.find("error_description"); more != parsed.end()) {
      append_text(text, *more);
    }
    if (const auto errors = parsed.find("errors"); errors != parsed.end() && errors->is_array()) {
      for (const json& one : *errors) {
        // Not by value(): it copies, and a json is copied by recursion, however deep it nests.
        const auto message = one.find("message");
        append_text(text, message == one.end() ? one : *message);
      }
    }
    if (const auto message = parsed.find("message"); message != parsed.end() && text.empty()) {
      append_text(text, *message);
    }
    return text;
  }
  // Plain text is worth showing, a page of HTML is not.
  constexpr std::size_t kLongest = 500;
  text = shown_text(body.find('<') == std::string::npos ? body : text_from_xml(body), kLongest);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
  return text;
}

std::string base64(std::string_view bytes) {
  static constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group = (group << 8) | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      text += i + k > bytes.size() ? '=' : kAlphabet[(group >> (18 - 6 * k)) & 63];
    }
  }
  return text;
}

}  // namespace

std::string basic_value(std::string_view username, const Secret& token) {
  return base64(std::string(username) + ":" + token.reveal());
}

std::string_view HttpResponse::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

Error error_from_response(const HttpResponse& response, std::string_view what) {
  std::string text(response.header("x-error-message"));
  if (text.empty()) text = text_from_body(response.body);
  Error error =
      make_error(kind_of(response),
                 std::string(what) + ": the server answered " + std::to_string(response.status) +
                     (text.empty() ? "" : ": " + shown_text(text, kLongestText)));
  error.http_status = response.status;
  error.retry_after = pause_from_headers(response);
  for (const char* name : {"x-request-id", "x-amzn-trace-id", "x-amz-cf-id"}) {
    if (error.request_id.empty()) {
      error.request_id = shown_text(response.header(name), kLongestId);
    }
  }
  if (!error.request_id.empty()) error.message += " (request id " + error.request_id + ")";
  return error;
}

Result<HttpResponse> send_expecting_success(HttpClient& client, const HttpRequest& request,
                                            std::string_view what, const std::stop_token& stop) {
  auto response = client.send(request, stop);
  if (!response.ok()) return with_context(std::move(response).error(), what);
  if (response->status < 200 || response->status > 299) return error_from_response(*response, what);
  return response;
}

std::string display_url(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return std::string(url);
  const std::size_t authority = scheme + 3;
  const std::size_t path = std::min(url.find('/', authority), url.size());
  const std::size_t at = url.substr(0, path).rfind('@');
  if (at == std::string_view::npos || at < authority) return std::string(url);
  return std::string(url.substr(0, authority)) + std::string(url.substr(at + 1));
}

std::string percent_encode(std::string_view text) {
  static constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '_' || c == '.' || c == '~') {
      encoded += c;
    } else {
      encoded += '%';
      encoded += kDigits[byte >> 4];
      encoded += kDigits[byte & 15];
    }
  }
  return encoded;
}

std::string url_host(std::string_view url) {
  const std::string shown = display_url(url);
  const std::size_t scheme = shown.find("://");
  if (scheme == std::string::npos) return "";
  const std::string name = lower(std::string_view(shown).substr(0, scheme));
  if (name != "https" && name != "http") return "";
  const std::size_t begin = scheme + 3;
  std::string host = lower(std::string_view(shown).substr(begin, shown.find('/', begin) - begin));
  const std::string standard_port = name == "https" ? ":443" : ":80";
  if (host.ends_with(standard_port)) host.resize(host.size() - standard_port.size());
  return host;
}

}  // namespace hubrev
