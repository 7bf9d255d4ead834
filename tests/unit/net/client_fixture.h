#pragma once
// What the tests of the real HttpClient share.

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "plugin/net/http.h"

namespace hubrev::testing {

// An environment variable for the length of a scope. Made before any other thread.
class EnvironmentVariable {
 public:
  EnvironmentVariable(std::string name, const std::string& value) : name_(std::move(name)) {
    if (const char* before = std::getenv(name_.c_str())) before_ = before;
    ::setenv(name_.c_str(), value.c_str(), 1);
  }
  ~EnvironmentVariable() {
    if (before_) ::setenv(name_.c_str(), before_->c_str(), 1);
    if (!before_) ::unsetenv(name_.c_str());
  }
  EnvironmentVariable(const EnvironmentVariable&) = delete;
  EnvironmentVariable& operator=(const EnvironmentVariable&) = delete;

 private:
  std::string name_;
  std::optional<std::string> before_;
};

class ClientFixture : public ::testing::Test {
 protected:
  ClientFixture() { settings_.user_agent = "hub-revisions-test"; }

  // Made from settings_ and the environment at the first call.
  HttpClient& client() {
    if (!client_) client_ = make_curl_client(settings_);
    return *client_;
  }
  Result<HttpResponse> send(const HttpRequest& request) { return client().send(request, {}); }

  static HttpRequest get(std::string url) {
    HttpRequest request;
    request.url = std::move(url);
    return request;
  }
  static HttpRequest upload(std::string url, std::string body, std::string method = "PUT") {
    HttpRequest request = get(std::move(url));
    request.method = std::move(method);
    request.body = Source::from_bytes(std::move(body));
    return request;
  }

  HttpSettings settings_;

 private:
  EnvironmentVariable no_proxy_{"no_proxy", "*"};  // curl reads it before NO_PROXY
  std::unique_ptr<HttpClient> client_;
};

}  // namespace hubrev::testing
