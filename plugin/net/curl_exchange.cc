#include "plugin/net/curl_exchange.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <string>
#include <utility>

namespace hubrev {
namespace {

// Far more than any server sends; interim answers count too, so a flood of them ends.
constexpr std::uint64_t kMaxHeaderBytes = 256u << 10;

std::string_view trimmed(std::string_view text) {
  const auto is_space = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// Of "HTTP/1.1 206 Partial Content"; 0 when there is none.
int status_of(std::string_view line) {
  int status = 0;
  line.remove_prefix(std::min(line.find(' '), line.size() - 1) + 1);
  std::from_chars(line.data(), line.data() + line.size(), status);
  return status;
}

}  // namespace

CurlExchange::CurlExchange(const HttpRequest& request, const std::stop_token& stop,
                           UploadLimiter* limiter, Clock& clock)
    : request_(request), stop_(stop), limiter_(limiter), clock_(clock) {
  if (!request.body) return;
  body_ = request.body->open();
  body_left_ = request.body->size();
}

void CurlExchange::attach(CURL* handle) {
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, detail_.data());
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, this);
  if (!body_) return;
  curl_easy_setopt(handle, CURLOPT_READFUNCTION, on_read);
  curl_easy_setopt(handle, CURLOPT_READDATA, this);
  curl_easy_setopt(handle, CURLOPT_SEEKFUNCTION, on_seek);
  curl_easy_setopt(handle, CURLOPT_SEEKDATA, this);
}

void CurlExchange::resume(CURL* handle) {
  resume_at_.reset();
  curl_easy_pause(handle, CURLPAUSE_CONT);
}

std::size_t CurlExchange::take_body(std::string_view bytes) {
  if (request_.sink && response_.status >= 200 && response_.status <= 299) {
    Status taken = request_.sink(response_, bytes);
    if (taken.ok()) return bytes.size();
    failure_ = std::move(taken).error();
    return 0;
  }
  if (response_.body.size() + bytes.size() > request_.max_response_bytes) {
    failure_ = make_error(ErrorKind::kRejected, "the answer is larger than expected");
    return 0;
  }
  response_.body.append(bytes);
  return bytes.size();
}

std::size_t CurlExchange::take_header(std::string_view line) {
  header_bytes_ += line.size();
  if (header_bytes_ > kMaxHeaderBytes) {
    failure_ = make_error(ErrorKind::kRejected, "the answer's headers are larger than expected");
    return 0;
  }
  if (line.starts_with("HTTP/")) {
    response_.headers.clear();  // an interim answer (100 Continue) came before
    response_.status = status_of(line);
    head_complete_ = false;
    return line.size();
  }
  if (line == "\r\n" || line == "\n") head_complete_ = true;
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return line.size();
  std::string name(line.substr(0, colon));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  response_.headers.emplace_back(std::move(name), std::string(trimmed(line.substr(colon + 1))));
  return line.size();
}

// How many bytes the cap lets pass now; none: paused until resume_at_.
std::size_t CurlExchange::allowed(std::size_t wanted) {
  wanted = static_cast<std::size_t>(std::min<std::uint64_t>(wanted, body_left_));
  if (limiter_ == nullptr || wanted == 0) return wanted;
  if (slot_.bytes == 0) slot_ = limiter_->reserve(wanted);
  if (slot_.due > clock_.now()) {
    resume_at_ = slot_.due;
    return 0;
  }
  const std::size_t bytes = std::min(slot_.bytes, wanted);
  slot_.bytes -= bytes;
  return bytes;
}

std::size_t CurlExchange::give_body(std::span<char> buffer) {
  if (stop_.stop_requested()) return CURL_READFUNC_ABORT;
  const std::size_t bytes = allowed(buffer.size());
  if (bytes == 0) return body_left_ == 0 ? 0 : CURL_READFUNC_PAUSE;
  auto got = body_->read(buffer.first(bytes));
  if (!got.ok()) {
    failure_ = std::move(got).error();
    return CURL_READFUNC_ABORT;
  }
  body_left_ -= *got;
  if (request_.sent != nullptr) *request_.sent += *got;
  return *got;
}

// The trampolines are noexcept: nothing may unwind through curl; without memory the process ends
// here.

// NOLINTNEXTLINE(bugprone-exception-escape)
std::size_t CurlExchange::on_body(char* data, std::size_t size, std::size_t count,
                                  void* user) noexcept {
  return static_cast<CurlExchange*>(user)->take_body({data, size * count});
}

// NOLINTNEXTLINE(bugprone-exception-escape)
std::size_t CurlExchange::on_header(char* data, std::size_t size, std::size_t count,
                                    void* user) noexcept {
  return static_cast<CurlExchange*>(user)->take_header({data, size * count});
}

// NOLINTNEXTLINE(bugprone-exception-escape)
std::size_t CurlExchange::on_read(char* buffer, std::size_t size, std::size_t count,
                                  void* user) noexcept {
  return static_cast<CurlExchange*>(user)->give_body({buffer, size * count});
}

int CurlExchange::on_seek(void* user, curl_off_t offset, int origin) noexcept {
  if (origin != SEEK_SET || offset != 0) return CURL_SEEKFUNC_CANTSEEK;
  auto& exchange = *static_cast<CurlExchange*>(user);
  exchange.body_->rewind();
  exchange.body_left_ = exchange.request_.body->size();
  return CURL_SEEKFUNC_OK;
}

}  // namespace hubrev
