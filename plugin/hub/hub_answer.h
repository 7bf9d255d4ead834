#pragma once
// Reading a server's answer, which comes from outside: nothing here trusts its form. For this
// folder only.

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "plugin/net/http.h"

namespace hubrev {

bool is_success(const HttpResponse& response);

// The body; is_discarded() when it is not JSON.
nlohmann::json parse_answer(const HttpResponse& response);

// The member, or null when there is none of that kind.
const nlohmann::json* member(const nlohmann::json& object, const char* key,
                             nlohmann::json::value_t type);
std::string text_member(const nlohmann::json& object, const char* key);
// The "message" of each element of a list.
std::vector<std::string> messages(const nlohmann::json& answer, const char* key);

// Whether this is a Hub's answer to its whoami route, with a valid token or without.
bool is_hub_answer(const HttpResponse& response);

// Whether this is what a server of repositories alone answers there. It has no such route (404,
// 405, 410), or asks for a password whatever the route (401), in words of its own. A proxy's 403
// or a log-in page's 200 must not pass for it: the provider is asked for once and then remembered.
bool is_git_server_answer(const HttpResponse& response);

}  // namespace hubrev
