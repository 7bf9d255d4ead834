#pragma once
// What the tests of the Hub's REST calls share: a scripted server and a clock that never waits.

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "plugin/hub/hub_client.h"
#include "plugin/hub/lfs_files.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_http.h"

namespace hubrev::testing {

class HubFixture : public ::testing::Test {
 protected:
  HubFixture()
      : http_([this](const SeenRequest&) -> Result<HttpResponse> {
          if (answers_.empty()) return last_;
          auto next = std::move(answers_.front());
          answers_.pop_front();
          return next;
        }) {
    hub_.retry.policy.max_retries = 3;
  }

  // The next answers; the last one is repeated.
  void answer(std::deque<Result<HttpResponse>> answers) {
    last_ = answers.back();
    answers_ = std::move(answers);
  }
  std::size_t requests() const { return http_.seen().size(); }
  static HttpResponse with_code(int status, const std::string& code) {
    return respond(status, R"({"error":"Repository not found"})", {{"x-error-code", code}});
  }
  static void expect_error(const Status& status, ErrorKind kind,
                           std::initializer_list<const char*> words) {
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().kind, kind) << status.error().message;
    for (const char* word : words) {
      EXPECT_NE(status.error().message.find(word), std::string::npos) << status.error().message;
    }
    EXPECT_EQ(status.error().message.find("hf_secret"), std::string::npos);
  }
  template <typename T>
  static Status status_of(const Result<T>& result) {
    return result.ok() ? Status() : Status(result.error());
  }

  // Every remote call, and an answer that it takes for a success.
  struct Call {
    const char* name;
    std::function<Status()> run;
    HttpResponse success;
  };
  std::vector<Call> calls() {
    return {
        {"whoami", [&] { return status_of(whoami(hub_, token())); },
         respond(200, R"({"name":"ann"})")},
        {"create",
         [&] { return create_repository(hub_, "o/m", Visibility::kServerDefault, token()); },
         respond(200, "{}")},
        {"access", [&] { return check_write_access(hub_, "o/m", token()); }, respond(200)},
        {"resolve", [&] { return status_of(resolve_revision(hub_, "o/m", "step-1", token())); },
         respond(200, std::string(R"({"sha":")") + kCommit + "\"}")},
        {"stored files", [&] { return status_of(list_lfs_files(hub_, "o/m", token())); },
         respond(200, "[]")},
        {"delete files", [&] { return delete_lfs_files(hub_, "o/m", {Sha256()}, token()); },
         respond(200)},
        {"detect", [&] { return status_of(detect_provider(hub_, token())); }, respond(404)},
        {"card", [&] { return status_of(validate_card(hub_, "---\n", token())); },
         respond(200, "{}")},
    };
  }
  std::stop_token token() const { return stop_.get_token(); }

  static constexpr const char* kCommit = "0123456789abcdef0123456789abcdef01234567";
  std::deque<Result<HttpResponse>> answers_;
  Result<HttpResponse> last_ = respond(500);
  FakeHttp http_;
  FakeClock clock_;
  std::stop_source stop_;
  HubConnection hub_{&http_, {&clock_, {}, {}}, "https://hub.example", Secret("hf_secret")};
};

}  // namespace hubrev::testing
