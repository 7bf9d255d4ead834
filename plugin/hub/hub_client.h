#pragma once
// The REST calls of a Hugging Face Hub that a push needs. Each blocks, is retried where that helps,
// and may be called from any thread. Source: the Hub's OpenAPI document and huggingface_hub.

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "plugin/base/ids.h"
#include "plugin/base/result.h"
#include "plugin/base/secret.h"
#include "plugin/net/http.h"
#include "plugin/net/retry.h"
#include "plugin/types/target.h"

namespace hubrev {

struct HubConnection {
  HttpClient* http = nullptr;
  RetryContext retry;
  std::string endpoint;  // no trailing slash
  Secret token;          // may be empty where a call says so
};

struct Identity {
  std::string name;
  std::string role;  // of the token: "read", "write", "fineGrained" ...; "" when not told
  std::vector<std::string> organizations;
};

// Whose token this is. The route has a tight limit of its own: call it once. Needs a token.
Result<Identity> whoami(const HubConnection& connection, const std::stop_token& stop);

// kAuth when the role is exactly "read"; any other is settled by check_write_access().
Status check_role(const Identity& identity, const std::string& repo_id);

enum class Visibility { kServerDefault, kPublic, kPrivate };

// Creates a model repository. One that is there already is a success, and keeps its visibility; so
// is one that this token may see but not create. Needs a token.
Status create_repository(const HubConnection& connection, const std::string& repo_id,
                         Visibility visibility, const std::stop_token& stop);

// kAuth or kNotFound with the remedy. Success also where the server has no such route: the push
// will tell. Needs a token.
Status check_write_access(const HubConnection& connection, const std::string& repo_id,
                          const std::stop_token& stop);

// The commit that a branch, tag or commit id stands for; nullopt when there is no such revision.
Result<std::optional<GitId>> resolve_revision(const HubConnection& connection,
                                              const std::string& repo_id,
                                              const std::string& revision,
                                              const std::stop_token& stop);

// kHub when the endpoint answers the Hub's whoami route like a Hub, with or without a valid token;
// kGit when it answers like a server that has no such route. Any other answer (of a proxy, of a
// log-in page) is kRejected: it tells nothing about the server behind it.
Result<Provider> detect_provider(const HubConnection& connection, const std::stop_token& stop);

// The server's warnings about a card's metadata; kRejected with its words when it would refuse the
// card. No warnings where the server has no such route.
Result<std::vector<std::string>> validate_card(const HubConnection& connection,
                                               const std::string& readme,
                                               const std::stop_token& stop);

}  // namespace hubrev
