#include "plugin/pipeline/connection.h"

#include <string_view>
#include <utility>

#include "plugin/git/remote.h"
#include "plugin/git/repository.h"
#include "plugin/hub/hub_client.h"
#include "plugin/types/address.h"

namespace hubrev {
namespace {

Visibility visibility_of(const Settings& settings) {
  if (!settings.private_repo) return Visibility::kServerDefault;
  return *settings.private_repo ? Visibility::kPrivate : Visibility::kPublic;
}

std::string key_of(const Settings& settings) {
  return settings.endpoint + " " + settings.repo_id;
}

Result<Provider> provider_of(const Settings& settings, const HubConnection& hub,
                             const std::stop_token& stop) {
  if (is_file_url(settings.endpoint)) return Provider::kFile;
  if (settings.provider == ProviderChoice::kHub) return Provider::kHub;
  if (settings.provider == ProviderChoice::kGit) return Provider::kGit;
  auto detected = detect_provider(hub, stop);
  // Whatever stands at the root of that host: who gives git's address means git.
  const bool no_hub = !detected.ok() && detected.error().kind == ErrorKind::kRejected;
  if (no_hub && is_repository_url(settings.repo_id)) return Provider::kGit;
  return detected;
}

// "namespace/name", as REST routes have it.
Result<std::string> hub_name(const Settings& settings, const HubConnection& hub,
                             const std::stop_token& stop) {
  std::string name = settings.repo_id;
  if (is_repository_url(name)) {
    name.erase(0, settings.endpoint.size() + 1);
    if (name.ends_with(".git")) name.resize(name.size() - std::string_view(".git").size());
    HUBREV_CHECK(check_repo_id(name));
  }
  if (name.find('/') != std::string::npos) return name;
  HUBREV_TRY(const Identity identity, whoami(hub, stop));
  return identity.name + "/" + name;
}

}  // namespace

Connection::Connection(HttpClient& http, RetryContext retry, Secret token)
    : http_(http), retry_(std::move(retry)), token_(std::move(token)) {}

Result<Connection::Known> Connection::learn(const Settings& settings, const RetryContext& retry,
                                            const std::stop_token& stop) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto at = known_.find(key_of(settings)); at != known_.end()) return at->second;
  }
  if (settings.repo_id.empty()) {
    return make_error(ErrorKind::kConfig,
                      "no repository: set 'repo_id', hub_model_id or --repo to 'namespace/name'");
  }
  const HubConnection hub{&http_, retry, settings.endpoint, token_};
  Known known;
  known.repo_id = settings.repo_id;
  HUBREV_TRY(known.provider, provider_of(settings, hub, stop));
  if (known.provider == Provider::kHub) {
    HUBREV_TRY(known.repo_id, hub_name(settings, hub, stop));
  } else if (known.repo_id.find('/') == std::string::npos) {
    return make_error(ErrorKind::kConfig,
                      "repository '" + known.repo_id + "' has no namespace; use 'namespace/name'");
  }
  const std::lock_guard lock(mutex_);
  known_[key_of(settings)] = known;
  return known;
}

Target Connection::target(const Settings& settings, const Known& known,
                          std::string revision) const {
  return {settings.endpoint, known.repo_id, std::move(revision), known.provider, settings.username,
          settings.lfs_url,  token_};
}

Result<Target> Connection::locate(const Settings& settings, std::string revision,
                                  const std::stop_token& stop) {
  HUBREV_TRY(const Known known, learn(settings, retry_, stop));
  return target(settings, known, std::move(revision));
}

Result<Target> Connection::prepare(const Settings& settings, std::string revision,
                                   const RetryContext& retry, const std::stop_token& stop) {
  HUBREV_TRY(Known known, learn(settings, retry, stop));
  Target there = target(settings, known, std::move(revision));
  if (known.writable) return there;
  if (known.provider == Provider::kHub) {
    const HubConnection hub{&http_, retry, settings.endpoint, token_};
    HUBREV_CHECK(create_repository(hub, known.repo_id, visibility_of(settings), stop));
    HUBREV_CHECK(check_write_access(hub, known.repo_id, stop));
  }
  if (known.provider == Provider::kGit) {
    HUBREV_CHECK(
        check_push_access({repository_url(there), git_credential(there), &http_, retry}, stop));
  }
  if (known.provider == Provider::kFile) {
    HUBREV_CHECK(create_bare_repository(file_url_path(repository_url(there))));
  }
  known.writable = true;
  const std::lock_guard lock(mutex_);
  known_[key_of(settings)] = known;
  return there;
}

Credential git_credential(const Target& target) {
  return {AuthScheme::kBasic, target.token, target.username};
}

Credential lfs_credential(const Target& target) {
  // Plain git servers know Basic on LFS routes; the Hub takes Bearer there as on its REST API.
  return {target.provider == Provider::kHub ? AuthScheme::kBearer : AuthScheme::kBasic,
          target.token, target.username};
}

}  // namespace hubrev
