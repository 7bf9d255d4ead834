#include "plugin/hub/hub_request.h"

#include <algorithm>
#include <utility>

#include "plugin/hub/hub_answer.h"

namespace hubrev {

using nlohmann::json;

namespace {

Error unreachable(const HubConnection& connection, Error error) {
  if (error.http_status != 0) return error;
  const std::string endpoint = display_url(connection.endpoint);
  if (error.kind == ErrorKind::kRejected) {  // a certificate, a redirect: it names its own remedy
    error.message = "cannot talk to " + endpoint + " (" + error.message + ")";
  }
  if (error.kind == ErrorKind::kNetwork || error.kind == ErrorKind::kTimeout ||
      error.kind == ErrorKind::kConfig) {
    error.message =
        "cannot reach " + endpoint + " (" + error.message + "); check 'endpoint' or HF_ENDPOINT";
  }
  return error;
}

// "another conflicting operation is in progress": a lock held while one of the user's repositories
// is created. The status is the one of "exists already", the meaning is "try again".
bool is_create_lock(const HttpResponse& response) {
  const std::string_view header = response.header("x-error-message");
  constexpr std::string_view kWords = "conflicting operation is in progress";
  return response.status == 409 && (response.body.find(kWords) != std::string::npos ||
                                    header.find(kWords) != std::string_view::npos);
}

}  // namespace

Error not_a_hub(const HubConnection& connection, std::string_view what) {
  return make_error(ErrorKind::kRejected,
                    std::string(what) + ": the answer of " + connection.endpoint +
                        " is not one of a Hub; check 'endpoint' or HF_ENDPOINT");
}

Error with_message(Error error, const std::string& advice) {
  error.message = advice + " (" + error.message + ")";
  return error;
}

bool has_no_route(const HttpResponse& response) {
  return response.status == 404 && response.header("x-error-code").empty();
}

Status require_token(const HubConnection& connection) {
  if (!connection.token.empty()) return {};
  return make_error(ErrorKind::kAuth, "no token for " + url_host(connection.endpoint) +
                                          "; set HF_TOKEN to a token with write access");
}

Error refusal(const HubConnection& connection, const HttpResponse& response,
              const std::string& repo_id, std::string_view what) {
  Error error = error_from_response(response, what);
  const std::string host = url_host(connection.endpoint);
  if (response.status == 401 && connection.token.empty()) {
    return with_message(std::move(error),
                        repo_id + " is private or not there; set HF_TOKEN to read it from " + host);
  }
  if (response.status == 401) {
    return with_message(std::move(error), "the token was refused by " + host +
                                              "; set HF_TOKEN to a token with write access");
  }
  if (response.status == 403 && !repo_id.empty()) {
    return with_message(std::move(error), "the token may not write to " + repo_id +
                                              "; use a token with write access");
  }
  if (response.status == 404 && !repo_id.empty()) {
    return with_message(std::move(error), "no repository " + repo_id + " on " + host +
                                              ", or the token may not see it; check 'repo_id'");
  }
  return error;
}

HttpRequest api_request(const HubConnection& connection, std::string method,
                        const std::string& path) {
  HttpRequest request;
  request.method = std::move(method);
  request.url = connection.endpoint + "/api" + path;
  request.headers = {{"Accept", "application/json"}};
  if (!connection.token.empty()) {
    request.credential = Credential{AuthScheme::kBearer, connection.token};
  }
  return request;
}

HttpRequest json_post(const HubConnection& connection, const std::string& path, const json& body) {
  HttpRequest request = api_request(connection, "POST", path);
  request.headers.emplace_back("Content-Type", "application/json");
  request.body = Source::from_bytes(body.dump(-1, ' ', false, json::error_handler_t::replace));
  return request;
}

std::string model_path(const std::string& repo_id) {
  std::string path = "/models";
  for (std::size_t begin = 0; begin <= repo_id.size();) {
    const std::size_t end = std::min(repo_id.find('/', begin), repo_id.size());
    path += "/" + percent_encode(std::string_view(repo_id).substr(begin, end - begin));
    begin = end + 1;
  }
  return path;
}

Result<HttpResponse> call_hub(const HubConnection& connection, const HttpRequest& request,
                              std::string_view what, const std::stop_token& stop) {
  auto answer = with_retry(connection.retry, stop, [&]() -> Result<HttpResponse> {
    HUBREV_TRY(HttpResponse response, connection.http->send(request, stop));
    if (is_success(response)) return response;
    Error error = error_from_response(response, what);
    if (is_create_lock(response)) error.kind = ErrorKind::kServer;
    if (retryable(error.kind)) return error;
    return response;
  });
  if (!answer.ok()) return unreachable(connection, std::move(answer).error());
  return answer;
}

}  // namespace hubrev
