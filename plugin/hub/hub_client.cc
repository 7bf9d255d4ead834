#include "plugin/hub/hub_client.h"

#include <utility>

#include "plugin/hub/hub_answer.h"
#include "plugin/hub/hub_request.h"

namespace hubrev {
namespace {

using nlohmann::json;

json create_body(const std::string& repo_id, Visibility visibility) {
  const std::size_t slash = repo_id.find('/');
  json body = {{"name", repo_id.substr(slash == std::string::npos ? 0 : slash + 1)},
               {"organization", nullptr},
               {"type", "model"}};
  if (slash != std::string::npos) body["organization"] = repo_id.substr(0, slash);
  if (visibility == Visibility::kPublic) body["visibility"] = "public";
  if (visibility == Visibility::kPrivate) body["visibility"] = "private";
  return body;
}

}  // namespace

Result<Identity> whoami(const HubConnection& connection, const std::stop_token& stop) {
  const std::string what = "asking who the token belongs to";
  HUBREV_CHECK(require_token(connection));
  HUBREV_TRY(const HttpResponse response,
             call_hub(connection, api_request(connection, "GET", "/whoami-v2"), what, stop));
  if (!is_success(response)) return refusal(connection, response, "", what);
  const json answer = parse_answer(response);
  Identity identity;
  identity.name = text_member(answer, "name");
  if (identity.name.empty()) return not_a_hub(connection, what);
  if (const json* auth = member(answer, "auth", json::value_t::object)) {
    if (const json* token = member(*auth, "accessToken", json::value_t::object)) {
      identity.role = text_member(*token, "role");
    }
  }
  if (const json* orgs = member(answer, "orgs", json::value_t::array)) {
    for (const json& org : *orgs) {
      if (auto name = text_member(org, "name"); !name.empty()) {
        identity.organizations.push_back(std::move(name));
      }
    }
  }
  return identity;
}

Status check_role(const Identity& identity, const std::string& repo_id) {
  if (identity.role != "read") return {};
  return make_error(ErrorKind::kAuth, "the token of " + identity.name +
                                          " is read-only and may not write to " + repo_id +
                                          "; use a token with write access");
}

Status create_repository(const HubConnection& connection, const std::string& repo_id,
                         Visibility visibility, const std::stop_token& stop) {
  const std::string what = "creating repository " + repo_id;
  HUBREV_CHECK(require_token(connection));
  const HttpRequest request =
      json_post(connection, "/repos/create", create_body(repo_id, visibility));
  HUBREV_TRY(const HttpResponse response, call_hub(connection, request, what, stop));
  if (is_success(response) || response.status == 409) return {};
  // 401: a token without the right to create; 402: no paid plan; 403: no right in this namespace.
  // None of them matters when the repository is there.
  if (response.status == 401 || response.status == 402 || response.status == 403) {
    HUBREV_TRY(
        const HttpResponse seen,
        call_hub(connection, api_request(connection, "GET", model_path(repo_id)), what, stop));
    if (is_success(seen)) return {};
  }
  if (response.status == 404) {
    return with_message(error_from_response(response, what),
                        "cannot create " + repo_id + " on " + url_host(connection.endpoint) +
                            "; check 'repo_id' and 'endpoint'");
  }
  return refusal(connection, response, repo_id, what);
}

Status check_write_access(const HubConnection& connection, const std::string& repo_id,
                          const std::stop_token& stop) {
  const std::string what = "checking write access to " + repo_id;
  HUBREV_CHECK(require_token(connection));
  const HttpRequest request =
      api_request(connection, "GET", model_path(repo_id) + "/auth-check/write");
  HUBREV_TRY(const HttpResponse response, call_hub(connection, request, what, stop));
  if (is_success(response) || has_no_route(response)) return {};
  return refusal(connection, response, repo_id, what);
}

Result<std::optional<GitId>> resolve_revision(const HubConnection& connection,
                                              const std::string& repo_id,
                                              const std::string& revision,
                                              const std::stop_token& stop) {
  const std::string what = "resolving revision " + revision + " of " + repo_id;
  const std::string path = model_path(repo_id) + "/revision/" + percent_encode(revision);
  HUBREV_TRY(const HttpResponse response,
             call_hub(connection, api_request(connection, "GET", path), what, stop));
  if (response.status == 404 && response.header("x-error-code") != "RepoNotFound") {
    return std::optional<GitId>();
  }
  if (response.status == 403) return error_from_response(response, what);  // reading, not writing
  if (!is_success(response)) return refusal(connection, response, repo_id, what);
  const std::optional<GitId> commit = GitId::from_hex(text_member(parse_answer(response), "sha"));
  if (!commit) return not_a_hub(connection, what);
  return commit;
}

Result<Provider> detect_provider(const HubConnection& connection, const std::stop_token& stop) {
  const std::string endpoint = display_url(connection.endpoint);
  const std::string what = "asking " + endpoint + " whether it is a Hub";
  HUBREV_TRY(const HttpResponse response,
             call_hub(connection, api_request(connection, "GET", "/whoami-v2"), what, stop));
  if (is_hub_answer(response)) return Provider::kHub;
  if (is_git_server_answer(response)) return Provider::kGit;
  Error error = error_from_response(response, what);
  error.kind = ErrorKind::kRejected;
  return with_message(std::move(error), "the answer of " + endpoint +
                                            " is neither a Hub's nor a git server's; check "
                                            "'endpoint', or set 'provider'");
}

Result<std::vector<std::string>> validate_card(const HubConnection& connection,
                                               const std::string& readme,
                                               const std::stop_token& stop) {
  const std::string what = "validating README.md";
  const HttpRequest request =
      json_post(connection, "/validate-yaml", {{"content", readme}, {"repoType", "model"}});
  HUBREV_TRY(const HttpResponse response, call_hub(connection, request, what, stop));
  if (response.status == 404) return std::vector<std::string>();
  if (!is_success(response)) return refusal(connection, response, "", what);
  const json answer = parse_answer(response);
  std::string errors;
  for (const std::string& one : messages(answer, "errors")) errors += "; " + one;
  if (errors.empty()) return messages(answer, "warnings");
  return make_error(ErrorKind::kRejected, "README.md is not valid: " + errors.substr(2));
}

}  // namespace hubrev
