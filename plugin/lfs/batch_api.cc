#include "plugin/lfs/batch_api.h"

#include <strings.h>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "plugin/lfs/batch_answer.h"

namespace hubrev {
namespace {

using nlohmann::json;

constexpr const char* kMediaType = "application/vnd.git-lfs+json";

void put_header(HttpHeaders& headers, const char* name, const char* value) {
  const bool there = std::any_of(headers.begin(), headers.end(), [&](const auto& header) {
    return ::strcasecmp(header.first.c_str(), name) == 0;
  });
  if (!there) headers.emplace_back(name, value);
}

HttpRequest json_request(std::string url, HttpHeaders headers, std::string body) {
  HttpRequest request;
  request.method = "POST";
  request.url = std::move(url);
  request.headers = std::move(headers);
  put_header(request.headers, "Accept", kMediaType);
  put_header(request.headers, "Content-Type", kMediaType);
  request.body = Source::from_bytes(std::move(body));
  return request;
}

// Says what to do, behind the server's words.
Error with_remedy(Error error) {
  if (error.http_status == 401 || error.http_status == 403) {
    error.message +=
        "; check that the token may write to this repository and its storage is not full";
  }
  if (error.http_status == 404) {
    error.message += "; the repository does not exist, or its server has no LFS";
  }
  return error;
}

}  // namespace

// The server may name any address; the token is for the server itself.
std::optional<Credential> credential_for(const LfsServer& server, const LfsAction& action) {
  const bool downgrade = server.url.starts_with("https://") && !action.href.starts_with("https://");
  const bool has_own = std::any_of(action.headers.begin(), action.headers.end(), [](const auto& h) {
    return ::strcasecmp(h.first.c_str(), "Authorization") == 0;
  });
  const bool elsewhere = url_host(action.href) != url_host(server.url);
  if (server.credential.token.empty() || downgrade || has_own || elsewhere) {
    return std::nullopt;
  }
  return server.credential;
}

Result<std::vector<UploadOffer>> request_uploads(HttpClient& http, const LfsServer& server,
                                                 const std::vector<LfsPointer>& objects,
                                                 std::string_view what, std::int64_t now_ms,
                                                 const std::stop_token& stop) {
  HttpRequest request =
      json_request(server.url + "/objects/batch", {}, batch_request_body(server, objects));
  if (!server.credential.token.empty()) request.credential = server.credential;
  auto response = send_expecting_success(http, request, what, stop);
  if (!response.ok()) return with_remedy(std::move(response).error());
  return parse_batch_answer(response->body, server, objects, what, now_ms);
}

Result<std::vector<DownloadOffer>> request_downloads(HttpClient& http, const LfsServer& server,
                                                     const std::vector<LfsPointer>& objects,
                                                     std::string_view what, std::int64_t now_ms,
                                                     const std::stop_token& stop) {
  HttpRequest request =
      json_request(server.url + "/objects/batch", {}, download_request_body(server, objects));
  if (!server.credential.token.empty()) request.credential = server.credential;
  HUBREV_TRY(const HttpResponse response, send_expecting_success(http, request, what, stop));
  return parse_download_answer(response.body, server, objects, what, now_ms);
}

Status verify_upload(HttpClient& http, const LfsServer& server, const LfsAction& action,
                     const LfsPointer& object, std::string_view what, const std::stop_token& stop) {
  const json body = {{"oid", object.oid.hex()}, {"size", object.size}};
  HttpRequest request = json_request(action.href, action.headers, body.dump());
  request.credential = credential_for(server, action);
  HUBREV_CHECK(send_expecting_success(http, request, what, stop));
  return {};
}

Status complete_multipart(HttpClient& http, const LfsAction& action, const Sha256& oid,
                          const std::vector<std::string>& etags, std::string_view what,
                          const std::stop_token& stop) {
  json body = {{"oid", oid.hex()}, {"parts", json::array()}};
  for (const std::string& etag : etags) {
    body["parts"].push_back({{"partNumber", body["parts"].size() + 1}, {"etag", etag}});
  }
  // The action's headers are the parts' addresses, not headers to send.
  const HttpRequest request =
      json_request(action.href, {}, body.dump(-1, ' ', false, json::error_handler_t::replace));
  HUBREV_CHECK(send_expecting_success(http, request, what, stop));
  return {};
}

}  // namespace hubrev
