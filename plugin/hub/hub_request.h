#pragma once
// Asking a Hub, and saying in a user's words what went wrong. For this folder only.

#include <nlohmann/json.hpp>
#include <stop_token>
#include <string>
#include <string_view>

#include "plugin/hub/hub_client.h"

namespace hubrev {

// GET, DELETE ... of "<endpoint>/api<path>", with the token if there is one.
HttpRequest api_request(const HubConnection& connection, std::string method,
                        const std::string& path);
HttpRequest json_post(const HubConnection& connection, const std::string& path,
                      const nlohmann::json& body);
// "/models/<namespace>/<name>", each part encoded.
std::string model_path(const std::string& repo_id);

// The answer, whatever its status, unless another attempt may bring a different one.
Result<HttpResponse> call_hub(const HubConnection& connection, const HttpRequest& request,
                              std::string_view what, const std::stop_token& stop);

// A 404 without an error code is about the route, not about the repository.
bool has_no_route(const HttpResponse& response);

// kAuth with the remedy when there is no token.
Status require_token(const HubConnection& connection);
// Puts the advice in front of what happened.
Error with_message(Error error, const std::string& advice);
// A failed answer about a repository (or about nothing but the token: repo_id "").
Error refusal(const HubConnection& connection, const HttpResponse& response,
              const std::string& repo_id, std::string_view what);
// An answer in a form that no Hub gives.
Error not_a_hub(const HubConnection& connection, std::string_view what);

}  // namespace hubrev
