#include "plugin/pipeline/connection.h"

#include <utility>

#include "plugin/hub/hub_client.h"

namespace hubrev {
namespace {

Visibility visibility_of(const Settings& settings) {
  if (!settings.private_repo) return Visibility::kServerDefault;
  return *settings.private_repo ? Visibility::kPrivate : Visibility::kPublic;
}

std::string key_of(const Settings& settings) {
  return settings.endpoint + " " + settings.repo_id;
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
  if (settings.provider == ProviderChoice::kAuto) {
    HUBREV_TRY(known.provider, detect_provider(hub, stop));
  } else {
    known.provider = settings.provider == ProviderChoice::kHub ? Provider::kHub : Provider::kGit;
  }
  if (known.repo_id.find('/') == std::string::npos) {
    if (known.provider != Provider::kHub) {
      return make_error(ErrorKind::kConfig, "repository '" + known.repo_id +
                                                "' has no namespace; use 'namespace/name'");
    }
    HUBREV_TRY(const Identity identity, whoami(hub, stop));
    known.repo_id = identity.name + "/" + known.repo_id;
  }
  const std::lock_guard lock(mutex_);
  known_[key_of(settings)] = known;
  return known;
}

Result<Target> Connection::locate(const Settings& settings, std::string revision,
                                  const std::stop_token& stop) {
  HUBREV_TRY(const Known known, learn(settings, retry_, stop));
  return Target{settings.endpoint, known.repo_id, std::move(revision), known.provider, token_};
}

Result<Target> Connection::prepare(const Settings& settings, std::string revision,
                                   const RetryContext& retry, const std::stop_token& stop) {
  HUBREV_TRY(Known known, learn(settings, retry, stop));
  if (!known.writable && known.provider == Provider::kHub) {
    const HubConnection hub{&http_, retry, settings.endpoint, token_};
    HUBREV_CHECK(create_repository(hub, known.repo_id, visibility_of(settings), stop));
    HUBREV_CHECK(check_write_access(hub, known.repo_id, stop));
    known.writable = true;
    const std::lock_guard lock(mutex_);
    known_[key_of(settings)] = known;
  }
  return Target{settings.endpoint, known.repo_id, std::move(revision), known.provider, token_};
}

Credential git_credential(const Target& target) {
  return {AuthScheme::kBasic, target.token};
}

Credential lfs_credential(const Target& target) {
  // Plain git servers know Basic on LFS routes; the Hub takes Bearer there as on its REST API.
  return {target.provider == Provider::kHub ? AuthScheme::kBearer : AuthScheme::kBasic,
          target.token};
}

std::string lfs_url(const Target& target) {
  std::string url = repository_url(target);
  if (!url.ends_with(".git")) url += ".git";
  return url + "/info/lfs";
}

}  // namespace hubrev
