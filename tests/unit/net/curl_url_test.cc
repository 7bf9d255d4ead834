#include "plugin/net/curl_url.h"

#include <gmock/gmock.h>

#include "tests/unit/net/client_fixture.h"
#include "tests/unit/net/loopback_server.h"

namespace hubrev::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kToken = "hf_marked_secret";

// What must not go to another machine unencrypted.
std::vector<HttpRequest> precious(const std::string& url) {
  HttpRequest credential;
  credential.url = url;
  credential.credential = Credential{AuthScheme::kBearer, Secret(kToken)};
  HttpRequest dictated;
  dictated.url = url;
  dictated.headers = {{"AUTHORIZATION", kToken}};
  HttpRequest body;
  body.url = url;
  body.body = Source::from_bytes(kToken);
  return {credential, dictated, body};
}

TEST(Destination, NothingPreciousGoesUnencryptedToAnotherMachine) {
  for (const char* host :
       {"hub.example", "hub.example:8080", "127.0.0.1.evil.example", "localhost.evil.example",
        "127.0.0.1@evil.example", "128.0.0.1", "10.127.0.1", "[::2]", "[::ffff:127.0.0.1]",
        "evil.example?127.0.0.1", "evil.example#@localhost", "localhostx", "2130706434.example"}) {
    const std::string url = std::string("http://") + host;
    for (const HttpRequest& request : precious(url)) {
      const Status status = check_destination(request, false);
      ASSERT_FALSE(status.ok()) << url;
      EXPECT_EQ(status.error().kind, ErrorKind::kConfig);
      EXPECT_THAT(status.error().message,
                  AllOf(HasSubstr("http://" + url_host(url)), HasSubstr("'allow_http'"),
                        HasSubstr("https://"), ::testing::Not(HasSubstr(kToken))));
      EXPECT_TRUE(check_destination(request, true).ok()) << url;
    }
    HttpRequest harmless;
    harmless.url = url;
    harmless.credential = Credential{AuthScheme::kBearer, Secret()};
    EXPECT_TRUE(check_destination(harmless, false).ok()) << url;
  }
}

TEST(Destination, EncryptedOrOnThisMachineEverythingGoes) {
  for (const char* url : {"https://hub.example/a", "HTTPS://hub.example", "http://127.0.0.1:8080/a",
                          "http://127.200.3.4", "http://localhost:1", "http://LocalHost/",
                          "http://[::1]:8080/", "http://127.1/", "http://user@127.0.0.1/"}) {
    for (const HttpRequest& request : precious(url)) {
      EXPECT_TRUE(check_destination(request, false).ok()) << url;
    }
  }
}

TEST(Destination, OtherSchemesAreNone) {
  for (const char* url :
       {"ftp://hub.example/a", "file:///etc/passwd", "hub.example/a", "", "nonsense", "http://",
        "https://hub.example/\r\nX-Injected: 1", "https://hub.example/a b"}) {
    HttpRequest request;
    request.url = url;
    const Status status = check_destination(request, true);
    ASSERT_FALSE(status.ok()) << url;
    EXPECT_EQ(status.error().kind, ErrorKind::kConfig) << url;
  }
}

TEST(RedirectTarget, MayBeAnywhereOnTheSameHost) {
  const std::pair<const char*, const char*> rows[] = {
      {"/b?c", "https://hub.example/b?c"},
      {"b", "https://hub.example/team/b"},
      {"https://hub.example/b", "https://hub.example/b"},
      {"https://HUB.example:443/b", "https://HUB.example:443/b"},
      {"//hub.example/b", "https://hub.example/b"},
      {"https://user:password@hub.example/b", "https://hub.example/b"},
  };
  for (const auto& [location, target] : rows) {
    const auto found = redirect_target("https://hub.example/team/a?query", location);
    ASSERT_TRUE(found.ok()) << location << ": " << found.error().message;
    EXPECT_EQ(*found, target);
  }
}

TEST(RedirectTarget, IsNeverAnotherSchemeHostOrPort) {
  for (const char* location :
       {"http://hub.example/b", "http://hub.example:443/b", "https://hub.example:8443/b",
        "https://hub.example:80/b", "//evil.example/b", "https://evil.example/b",
        "https://hub.example@evil.example/b", "https://hub.example.evil.example/",
        "https://hub.example:443@evil.example/", "ftp://hub.example/b", "file:///b"}) {
    const auto found = redirect_target("https://hub.example/a?signature", location);
    ASSERT_FALSE(found.ok()) << location << " -> " << *found;
    EXPECT_EQ(found.error().kind, ErrorKind::kRejected);
    EXPECT_THAT(found.error().message,
                AllOf(HasSubstr("another host"), ::testing::Not(HasSubstr("signature"))));
  }
}

TEST(RedirectTarget, IsNeeded) {
  const auto found = redirect_target("https://hub.example/a?signature", "");
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().message, "https://hub.example/a redirects to nowhere");
}

// Whatever a reader may take for its host, it stays where it was.
TEST(RedirectTarget, WhatLooksLikeAHostIsAPath) {
  for (const char* location :
       {"evil.example/x://127.0.0.1:8080/", "\\\\evil.example/", "/\\evil.example",
        "@evil.example/", ":80@evil.example", "?://evil.example", "http:evil.example/"}) {
    const auto found = redirect_target("http://127.0.0.1:8080/a", location);
    if (found.ok()) {
      EXPECT_THAT(*found, ::testing::StartsWith("http://127.0.0.1:8080/")) << location;
    }
  }
}

TEST(IsThisMachine, TakesProxiesToo) {
  EXPECT_TRUE(is_this_machine("127.0.0.1:3128"));
  EXPECT_TRUE(is_this_machine("http://localhost:3128"));
  EXPECT_TRUE(is_this_machine("socks5h://127.0.0.1:1080"));
  EXPECT_FALSE(is_this_machine("proxy.example:3128"));
  EXPECT_FALSE(is_this_machine("http://127.0.0.1@proxy.example:3128"));
}

class DestinationTest : public ClientFixture {};

TEST_F(DestinationTest, IsJudgedBeforeAnythingIsSent) {
  HttpRequest request = get("http://127.0.0.1.invalid/");
  request.credential = Credential{AuthScheme::kBearer, Secret(kToken)};
  const auto answer = send(request);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, ErrorKind::kConfig) << answer.error().message;
}

TEST_F(DestinationTest, ARedirectToAnotherSchemeIsRefusedUnseen) {
  LoopbackServer server([](Peer& peer) {
    if (!peer.read_request()) return;
    peer.send("HTTP/1.1 307 Moved\r\nContent-Length: 0\r\nLocation: https://" +
              peer.server().host() + "/\r\n\r\n");
    peer.finish();
  });
  HttpRequest request = upload(server.url("/"), "body");
  request.credential = Credential{AuthScheme::kBearer, Secret(kToken)};
  const auto answer = send(request);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, ErrorKind::kRejected) << answer.error().message;
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(DestinationTest, NoProxyElsewhereSeesWhatIsForThisMachine) {
  const EnvironmentVariable no_exception("no_proxy", "");
  const EnvironmentVariable proxy("http_proxy", "http://proxy.invalid:3128");
  LoopbackServer server([](Peer& peer) {
    if (peer.read_request()) peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  });
  const auto answer = send(upload(server.url("/"), "body"));
  EXPECT_TRUE(answer.ok()) << answer.error().message;
}

}  // namespace
}  // namespace hubrev::testing
