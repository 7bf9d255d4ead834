#include "plugin/git/exchange.h"

#include <git2.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "plugin/base/utf8.h"
#include "plugin/git/git_error.h"

namespace hubrev {
namespace {

// A fetched pack is in memory while libgit2 reads it. Pointers, cards and small text stay far
// below.
constexpr std::uint64_t kMaxPack = 512ull << 20;

// Media types ignore case; parameters after ';' do not matter here.
bool has_type(std::string_view header, std::string_view type) {
  header = header.substr(0, header.find_first_of("; "));
  return std::equal(header.begin(), header.end(), type.begin(), type.end(), [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) == b;
  });
}

HttpRequest request_to(const Remote& remote, std::string_view path, GitService service) {
  HttpRequest request;
  request.url = remote.url + std::string(path) + std::string(service_name(service));
  if (!remote.credential.token.empty()) request.credential = remote.credential;
  return request;
}

Result<std::string> send(const Remote& remote, HttpRequest request, GitService service,
                         std::string_view type, const std::string& doing,
                         const std::stop_token& stop) {
  if (stop.stop_requested()) return make_error(ErrorKind::kCancelled, "cancelled");
  const std::string wanted =
      "application/x-" + std::string(service_name(service)) + std::string(type);
  request.headers.emplace_back("Accept", wanted);
  HUBREV_TRY(HttpResponse response, send_expecting_success(*remote.http, request, doing, stop));
  if (response.status != 200 || !has_type(response.header("content-type"), wanted)) {
    return make_error(ErrorKind::kRejected, doing + ": the server answered " +
                                                std::to_string(response.status) + " with '" +
                                                shown_text(response.header("content-type")) +
                                                "' where git answers with '" + wanted +
                                                "'; is this the address of a git repository?");
  }
  return std::move(response.body);
}

}  // namespace

HttpRequest refs_request(const Remote& remote, GitService service) {
  HttpRequest request = request_to(remote, "/info/refs?service=", service);
  request.max_response_bytes = kMaxAdvertisement;
  return request;
}

Result<std::string> read_refs(const Remote& remote, GitService service, const std::string& doing,
                              const std::stop_token& stop) {
  HUBREV_TRY(std::string body,
             send(remote, refs_request(remote, service), service, "-advertisement", doing, stop));
  if (const Status sound = check_advertisement(body, service); !sound.ok()) {
    return with_context(sound.error(), doing);
  }
  return body;
}

Exchange::Exchange(const Repository& repository, const Remote& remote, std::stop_token stop,
                   std::string_view doing_what)
    : doing(std::string(doing_what) + " " + display_url(remote.url)),
      remote_(remote),
      stop_(std::move(stop)),
      folder_(repository.path()) {}

Result<std::string> Exchange::read_refs(GitService service) {
  std::string body = std::exchange(advertisement, {});
  if (body.empty()) {
    HUBREV_TRY(body, hubrev::read_refs(remote_, service, doing, stop_));
  }
  return wanted_refs ? narrowed(body, wanted_refs) : body;
}

Result<std::string> Exchange::call(GitService service, const Source& body) {
  HttpRequest request = request_to(remote_, "/", service);
  request.method = "POST";
  request.headers.emplace_back("Content-Type",
                               "application/x-" + std::string(service_name(service)) + "-request");
  request.body = body;
  request.max_response_bytes = kMaxPack;
  HUBREV_TRY(std::string answer,
             send(remote_, std::move(request), service, "-result", doing, stop_));
  const Status sound =
      service == GitService::kReceivePack ? check_report(answer) : check_pack(answer);
  if (!sound.ok()) return with_context(sound.error(), doing);
  answered_ = true;
  return answer;
}

int Exchange::fail(Error error) noexcept {
  if (!failure_) failure_ = std::move(error);
  return GIT_EUSER;
}

Error Exchange::error(int code) const {
  if (failure_) return *failure_;
  if (cancelled()) return make_error(ErrorKind::kCancelled, "cancelled");
  return exchange_error(code, doing);
}

}  // namespace hubrev
