#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "plugin/lfs/objects_in_flight.h"
#include "plugin/net/http.h"
#include "plugin/net/retry.h"
#include "plugin/types/settings.h"
#include "plugin/types/target.h"

namespace hubrev {

// The way to a server: HTTP, retries, the token, and what was learnt about each repository.
// Thread-safe; outlives the jobs that use it.
class Connection {
 public:
  Connection(HttpClient& http, RetryContext retry, Secret token);

  HttpClient& http() const { return http_; }
  const RetryContext& retry() const { return retry_; }
  const Secret& token() const { return token_; }
  ObjectsInFlight& in_flight() { return in_flight_; }

  // Where `revision` of the settings' repository goes, without asking whether it may be written.
  // Asks the server for what the settings leave open: the provider, the token owner's namespace.
  Result<Target> locate(const Settings& settings, std::string revision,
                        const std::stop_token& stop);

  // locate(), then creates the repository if it is not there (a git server has no common way for
  // that) and checks write access. Asks once per repository; a success is remembered. `retry` is
  // retry(), or tells somebody else as well.
  Result<Target> prepare(const Settings& settings, std::string revision, const RetryContext& retry,
                         const std::stop_token& stop);

 private:
  struct Known {
    Provider provider = Provider::kHub;
    std::string repo_id;  // with its namespace, or the repository's URL
    bool writable = false;
  };
  Result<Known> learn(const Settings& settings, const RetryContext& retry,
                      const std::stop_token& stop);
  Target target(const Settings& settings, const Known& known, std::string revision) const;

  HttpClient& http_;
  RetryContext retry_;
  Secret token_;
  ObjectsInFlight in_flight_;
  std::mutex mutex_;  // guards known_; not held during requests: two threads may ask the same twice
  std::map<std::string, Known> known_;  // by endpoint + " " + repo_id as the settings have it
};

// The token as git and LFS routes want it.
Credential git_credential(const Target& target);
Credential lfs_credential(const Target& target);

}  // namespace hubrev
