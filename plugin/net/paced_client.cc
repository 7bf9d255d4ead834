#include "plugin/net/paced_client.h"

#include <algorithm>
#include <utility>

namespace hubrev {
namespace {

using std::chrono::ceil;
using std::chrono::milliseconds;
using std::chrono::seconds;

// A quota that comes back later than this is not waited for ahead: the refusal that it leads to
// says so to a person, and is limited by the retry policy.
constexpr std::chrono::hours kLongestReset{1};

// No host is kept in mind with more quotas than this, whatever it calls them.
constexpr std::size_t kMostQuotas = 16;

bool nearly_used_up(const RequestQuota& quota) {
  constexpr long kFew = 10;
  return quota.left <= kFew || (quota.size && quota.left <= *quota.size / 50);
}

}  // namespace

PacedClient::PacedClient(std::unique_ptr<HttpClient> inner, Clock& clock, OnSlowing on_slowing)
    : inner_(std::move(inner)), clock_(clock), on_slowing_(std::move(on_slowing)) {}

Result<HttpResponse> PacedClient::send(const HttpRequest& request, const std::stop_token& stop) {
  const std::string host = url_host(request.url);
  HUBREV_CHECK(await_turn(host, stop));
  auto response = inner_->send(request, stop);
  if (response.ok()) remember(host, *response);
  return response;
}

Status PacedClient::await_turn(const std::string& host, const std::stop_token& stop) {
  for (;;) {
    const Wait wait = take_turn(host);
    if (wait.tell && on_slowing_) {
      on_slowing_(host + ": the server's request quota is nearly used up; slowing down for " +
                  std::to_string(wait.tell->count()) + " s");
    }
    if (wait.pause == milliseconds(0)) return {};
    HUBREV_CHECK(clock_.sleep_for(wait.pause, stop));
  }
}

PacedClient::Wait PacedClient::take_turn(const std::string& host) {
  const std::lock_guard lock(mutex_);
  Wait wait;
  const auto found = scarce_.find(host);
  if (found == scarce_.end()) return wait;
  auto& quotas = found->second;
  const TimePoint now = clock_.now();
  std::erase_if(quotas, [now](const auto& entry) { return entry.second.full <= now; });
  for (auto& [name, quota] : quotas) {
    const TimePoint turn = quota.left > 0 ? std::min(quota.next, quota.full) : quota.full;
    if (turn <= now) continue;
    wait.pause = std::max(wait.pause, ceil<milliseconds>(turn - now));
    if (!std::exchange(quota.told, true)) wait.tell = ceil<seconds>(quota.full - now);
  }
  if (wait.pause > milliseconds(0)) return wait;
  for (auto& [name, quota] : quotas) {
    quota.next = now + (quota.full - now) / quota.left;
    --quota.left;
  }
  return wait;
}

void PacedClient::remember(const std::string& host, const HttpResponse& response) {
  const auto quotas = quotas_from_headers(response);
  if (quotas.empty()) return;
  const std::lock_guard lock(mutex_);
  auto& known = scarce_[host];
  for (const RequestQuota& quota : quotas) remember(known, quota);
  if (known.empty()) scarce_.erase(host);
}

void PacedClient::remember(std::map<std::string, Scarce>& quotas, const RequestQuota& quota) {
  if (!nearly_used_up(quota) || !quota.reset || *quota.reset > kLongestReset) {
    quotas.erase(quota.name);
    return;
  }
  if (quotas.size() >= kMostQuotas && !quotas.contains(quota.name)) return;
  Scarce& scarce = quotas[quota.name];
  const TimePoint now = clock_.now();
  scarce.left = quota.left;
  scarce.full = now + *quota.reset + seconds(1);  // the server rounds it down
  scarce.next = now + (scarce.full - now) / (quota.left + 1);
}

}  // namespace hubrev
