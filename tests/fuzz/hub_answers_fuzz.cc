// Every REST call of a Hub, all of them given the same answer.

#include <utility>

#include "plugin/hub/hub_client.h"
#include "plugin/hub/lfs_files.h"
#include "tests/fuzz/http_answer.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_http.h"

namespace hubrev::fuzz {
namespace {

template <typename T>
void check(const Result<T>& result) {
  if (!result.ok()) require_shown(result.error().message);
}

// The answer is the first page; whatever it leads to is empty.
void check_stored_files(const HttpResponse& response) {
  bool first = true;
  testing::FakeHttp http([&](const testing::SeenRequest& request) {
    HUBREV_REQUIRE(request.url.starts_with("https://hub.example/api/"), request.url);
    if (std::exchange(first, false)) return response;
    HttpResponse empty;
    empty.status = 200;
    empty.body = "[]";
    return empty;
  });
  testing::FakeClock clock;
  HubConnection hub{&http, {&clock, {}, {}}, "https://hub.example", Secret("hf_secret")};
  hub.retry.policy.max_retries = 0;
  check(list_lfs_files(hub, "o/m", {}));
}

}  // namespace

HUBREV_FUZZ(input) {
  const HttpResponse response = http_answer_of(input);
  testing::FakeHttp http([&](const testing::SeenRequest&) { return response; });
  testing::FakeClock clock;
  HubConnection hub{&http, {&clock, {}, {}}, "https://hub.example", Secret("hf_secret")};
  hub.retry.policy.max_retries = 0;
  const std::stop_token stop;
  const auto identity = whoami(hub, stop);
  check(identity);
  if (identity.ok()) HUBREV_REQUIRE(!identity->name.empty(), "a user without a name");
  check(create_repository(hub, "o/m", Visibility::kServerDefault, stop));
  check(check_write_access(hub, "o/m", stop));
  check(resolve_revision(hub, "o/m", "step-1", stop));
  check(detect_provider(hub, stop));
  const auto warnings = validate_card(hub, "---\n", stop);
  check(warnings);
  if (warnings.ok()) {
    for (const std::string& warning : *warnings) require_shown(warning);
  }
  check_stored_files(response);
  check(delete_lfs_files(hub, "o/m", {Sha256()}, stop));
}

}  // namespace hubrev::fuzz
