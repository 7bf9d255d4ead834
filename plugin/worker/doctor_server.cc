#include "plugin/worker/doctor_server.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>

#include "plugin/hub/hub_client.h"
#include "plugin/net/ca_bundle.h"
#include "plugin/net/route.h"
#include "plugin/pipeline/connection.h"
#include "plugin/pipeline/round_trip.h"
#include "plugin/types/address.h"
#include "plugin/worker/transport.h"

namespace hubrev {
namespace {

constexpr const char* kEndpointRemedy =
    "check 'endpoint' or HF_ENDPOINT, and the proxy and certificates of 'route'";
constexpr std::int64_t kClockWarnMs = 60'000;
// Within this, the signatures of common object stores hold.
constexpr std::int64_t kClockFailMs = 900'000;

Finding skipped(std::string check, std::string reason) {
  return {std::move(check), Verdict::kSkipped, std::move(reason), ""};
}

Finding failed(std::string check, const Error& error, std::string remedy) {
  return {std::move(check), Verdict::kFail, error.message, std::move(remedy)};
}

class ServerChecks {
 public:
  ServerChecks(const DoctorRequest& request, std::stop_token stop)
      : settings_(request.settings),
        token_(request.token),
        token_origin_(request.token_origin),
        http_(make_http(settings_, nullptr)),
        connection_(*http_, patience(settings_), token_),
        stop_(std::move(stop)) {}

  ServerFindings run() {
    ServerFindings found;
    found.endpoint = check_endpoint();
    found.route = check_route();
    found.clock = check_clock();
    if (found.endpoint.verdict == Verdict::kFail) {
      const std::string why = "the endpoint does not answer as it should";
      found.token = skipped("token", told_token() + "; " + why);
      found.repository = skipped("repository", why);
      found.round_trip = skipped("round trip", why);
      return found;
    }
    found.token = check_token();
    check_repository(found);
    return found;
  }

 private:
  Finding check_route() const {
    if (provider_ == Provider::kFile) return {"route", Verdict::kOk, "no network is needed", ""};
    const ProxyChoice proxy = proxy_to(settings_.endpoint);
    const std::string by_proxy =
        proxy.variable.empty() ? "no proxy" : "proxy " + proxy.url + " (" + proxy.variable + ")";
    const std::string variable = ca_bundle_variable();
    const std::string file = ca_bundle();
    const std::string origin = variable.empty() ? "" : " (" + variable + ")";
    if (file.empty() && settings_.endpoint.starts_with("https:")) {
      return {"route", Verdict::kFail, by_proxy + "; no certificate authorities were found",
              "install the package ca-certificates, or certifi, or name a file in "
              "REQUESTS_CA_BUNDLE"};
    }
    const std::string detail = by_proxy + "; certificate authorities of " + file + origin;
    if (!file.empty() && ::access(file.c_str(), R_OK) != 0) {
      return {"route", Verdict::kFail, detail + ", which cannot be read",
              "name a readable file of certificates in PEM form there, or unset " + variable};
    }
    return {"route", Verdict::kOk, file.empty() ? by_proxy : detail, ""};
  }

  Finding check_clock() const {
    if (!server_ms_) return skipped("clock", "no server has told its time");
    const std::int64_t skew_ms = asked_ms_ - *server_ms_;
    const std::string seconds = std::to_string(std::abs(skew_ms) / 1000) + " s";
    if (std::abs(skew_ms) < kClockWarnMs) {
      return {"clock", Verdict::kOk, "within a minute of the server's", ""};
    }
    return {"clock", std::abs(skew_ms) < kClockFailMs ? Verdict::kWarn : Verdict::kFail,
            "this machine's clock is " + seconds + (skew_ms > 0 ? " ahead of" : " behind") +
                " the server's: addresses to upload to would look expired, or be so",
            "set the clock; keep it by NTP (timedatectl set-ntp true, or chrony)"};
  }

  // A person is waiting.
  static RetryContext patience(const Settings& settings) {
    RetryContext retry = make_retry(settings, nullptr);
    retry.policy.max_retries = std::min(1, settings.max_retries);
    return retry;
  }

  std::string told_token() const {
    return token_.empty() ? "no token was found" : "the token of " + token_origin_;
  }

  Finding check_endpoint() {
    if (!is_file_url(settings_.endpoint)) {
      HttpRequest request;
      request.url = settings_.endpoint + "/api/whoami-v2";
      // Any answer tells that the way there works, and what the time is there.
      auto answer =
          with_retry(connection_.retry(), stop_, [&] { return http_->send(request, stop_); });
      if (!answer.ok()) return failed("endpoint", answer.error(), kEndpointRemedy);
      asked_ms_ = system_clock().unix_ms();
      server_ms_ = parse_http_date(std::string(answer->header("date")));
    }
    const Result<Provider> provider = find_provider();
    if (!provider.ok()) return failed("endpoint", provider.error(), kEndpointRemedy);
    provider_ = *provider;
    return {"endpoint", Verdict::kOk, settings_.endpoint + " is " + told_provider(), ""};
  }

  // By the rules that a push has.
  Result<Provider> find_provider() {
    if (is_file_url(settings_.endpoint)) return Provider::kFile;
    if (settings_.repo_id.empty()) {
      if (settings_.provider == ProviderChoice::kGit) return Provider::kGit;
      return detect_provider(hub(), stop_);
    }
    const Result<Target> target = connection_.locate(settings_, "", stop_);
    if (target.ok()) return target->provider;
    // A name without a namespace, about which only a Hub is asked.
    if (target.error().kind == ErrorKind::kAuth) return Provider::kHub;
    return target.error();
  }

  HubConnection hub() const {
    return {http_.get(), connection_.retry(), settings_.endpoint, token_};
  }

  std::string told_provider() const {
    switch (provider_) {
      case Provider::kHub:
        return "a Hub";
      case Provider::kGit:
        return "a git server";
      case Provider::kFile:
        return "a folder of this machine";
    }
    return "";
  }

  Finding check_token() {
    const std::string remedy = "set HF_TOKEN to a token with write access, or run 'hf auth login'";
    if (provider_ == Provider::kFile) return {"token", Verdict::kOk, "none is needed", ""};
    if (token_.empty()) return {"token", Verdict::kFail, told_token(), remedy};
    if (provider_ == Provider::kGit) {
      return {"token", Verdict::kOk, told_token() + " is the password for git and LFS", ""};
    }
    const Result<Identity> identity = whoami(hub(), stop_);
    if (!identity.ok()) return failed("token", identity.error(), remedy);
    const std::string role = identity->role.empty() ? "" : " with role '" + identity->role + "'";
    const std::string told = told_token() + " is " + identity->name + "'s" + role;
    if (!check_role(*identity, settings_.repo_id).ok()) {
      return {"token", Verdict::kFail, told + ", which may not write", remedy};
    }
    return {"token", Verdict::kOk, told, ""};
  }

  void check_repository(ServerFindings& found) {
    if (settings_.repo_id.empty()) {
      const std::string why = "no repository is named; give one with --repo";
      found.repository = skipped("repository", why);
      found.round_trip = skipped("round trip", why);
      return;
    }
    const Result<Target> target = connection_.prepare(settings_, "", connection_.retry(), stop_);
    if (!target.ok()) {
      found.repository = failed(
          "repository", target.error(),
          "check 'repo_id', and that the token may write there: on a Hub, a fine-grained one "
          "needs write access to this repository or namespace");
      found.round_trip = skipped("round trip", "the repository cannot be written");
      return;
    }
    // A git server tells whether it may be written when something is.
    const std::string told = target->provider == Provider::kGit ? " is named" : " can be written";
    found.repository = {"repository", Verdict::kOk, target->repo_id + told, ""};
    found.round_trip = check_round_trip(*target);
  }

  Finding check_round_trip(const Target& target) {
    ThreadPool pool(1, ThreadPriority::kNormal);
    const Status tried = hubrev::round_trip(connection_, target, pool, system_clock(), stop_);
    if (!tried.ok()) {
      return failed("round trip", tried.error(),
                    "see what it names; if LFS or its store is refused, ask who runs the server or "
                    "the proxy on the way");
    }
    return {"round trip", Verdict::kOk,
            std::to_string(kRoundTripBytes) +
                " bytes were sent by LFS and git to a branch of their own, found there, and "
                "removed",
            ""};
  }

  const Settings& settings_;
  const Secret token_;
  const std::string token_origin_;
  const std::unique_ptr<HttpClient> http_;
  Connection connection_;
  const std::stop_token stop_;
  Provider provider_ = Provider::kHub;
  std::int64_t asked_ms_ = 0;              // unix, when the server told its time
  std::optional<std::int64_t> server_ms_;  // unix, by the server
};

}  // namespace

ServerFindings check_server(const DoctorRequest& request, const std::stop_token& stop) {
  return ServerChecks(request, stop).run();
}

}  // namespace hubrev
