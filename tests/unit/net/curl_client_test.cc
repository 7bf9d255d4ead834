// The real HttpClient against a server on this machine.

#include <gmock/gmock.h>

#include <chrono>
#include <future>

#include "plugin/net/http.h"
#include "tests/unit/net/client_fixture.h"
#include "tests/unit/net/loopback_server.h"

namespace hubrev::testing {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr std::string_view kEmptyAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

// Gives that answer to every request, on a connection that is kept.
LoopbackServer::Handler always(std::string answer) {
  return [answer = std::move(answer)](Peer& peer) {
    while (peer.read_request() && peer.send(answer)) {
    }
  };
}

// Gives that answer to the first request and says no more.
LoopbackServer::Handler once_and_finish(std::string answer) {
  return [answer = std::move(answer)](Peer& peer) {
    if (peer.read_request() && peer.send(answer)) peer.finish();
  };
}

class CurlClientTest : public ClientFixture {};

TEST_F(CurlClientTest, SendsTheRequestAndReadsTheAnswer) {
  LoopbackServer server(always(
      "HTTP/1.1 201 Created\r\nContent-Length: 5\r\nX-Twice: a\r\nX-TWICE:  b \r\n\r\nhello"));
  HttpRequest request = get(server.url("/path?query=1"));
  request.headers = {{"Accept", "text/plain"}};
  const auto answer = send(request);
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(answer->status, 201);
  EXPECT_EQ(answer->body, "hello");
  EXPECT_THAT(answer->headers, UnorderedElementsAre(Pair("content-length", "5"),
                                                    Pair("x-twice", "a"), Pair("x-twice", "b")));
  const WireRequest seen = server.requests().at(0);
  EXPECT_THAT(seen.head, ::testing::StartsWith("GET /path?query=1 HTTP/1.1\r\n"));
  EXPECT_EQ(seen.header("Host"), server.host());
  EXPECT_EQ(seen.header("Accept"), "text/plain");
  EXPECT_EQ(seen.header("User-Agent"), "hub-revisions-test");
  EXPECT_EQ(seen.header("Authorization"), "");
}

TEST_F(CurlClientTest, KeepsTheConnectionAndForgetsTheRequest) {
  LoopbackServer server(always(std::string(kEmptyAnswer)));
  ASSERT_TRUE(send(upload(server.url("/1"), "body", "POST")).ok());
  ASSERT_TRUE(send(get(server.url("/2"))).ok());
  EXPECT_EQ(server.connections(), 1);
  EXPECT_THAT(server.requests().at(1).head, ::testing::StartsWith("GET /2 "));
  EXPECT_EQ(server.requests().at(1).header("Content-Length"), "");
}

TEST_F(CurlClientTest, HeadHasNoBody) {
  LoopbackServer server(always("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nETag: \"x\"\r\n\r\n"));
  HttpRequest request = get(server.url("/file"));
  request.method = "HEAD";
  const auto answer = send(request);
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(answer->body, "");
  EXPECT_EQ(answer->header("content-length"), "1000");
  EXPECT_THAT(server.requests().at(0).head, ::testing::StartsWith("HEAD /file "));
}

TEST_F(CurlClientTest, ReadsAChunkedAnswer) {
  LoopbackServer server(
      always("HTTP/1.1 200 OK\r\nTransfer-Encoding: "
             "chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n"));
  const auto answer = send(get(server.url("/")));
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(answer->body, "abcdefg");
}

TEST_F(CurlClientTest, AnInterimAnswerLeavesNoTrace) {
  LoopbackServer server(
      always("HTTP/1.1 100 Continue\r\nX-Interim: 1\r\n\r\n"
             "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
  const auto answer = send(upload(server.url("/"), "body"));
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "ok");
  EXPECT_EQ(answer->header("x-interim"), "");
}

TEST_F(CurlClientTest, UploadsWithItsLength) {
  LoopbackServer server(always(std::string(kEmptyAnswer)));
  const std::string body(300'000, 'x');
  std::atomic<std::uint64_t> sent{0};
  HttpRequest request = upload(server.url("/object"), body);
  request.sent = &sent;
  ASSERT_TRUE(send(request).ok());
  const WireRequest seen = server.requests().at(0);
  EXPECT_THAT(seen.head, ::testing::StartsWith("PUT /object "));
  EXPECT_EQ(seen.header("Content-Length"), "300000");
  EXPECT_EQ(seen.header("Content-Type"), "application/octet-stream");
  EXPECT_EQ(seen.header("Transfer-Encoding"), "");
  EXPECT_EQ(seen.header("Expect"), "");
  EXPECT_EQ(sent, body.size());
  request.headers = {{"content-type", "text/plain"}};
  ASSERT_TRUE(send(request).ok());
  EXPECT_EQ(server.requests().at(1).header("content-type"), "text/plain");
  EXPECT_EQ(server.requests().at(1).header("Content-Type"), "");
}

TEST_F(CurlClientTest, ARedirectWithinTheHostTakesMethodBodyAndCredentialAlong) {
  std::promise<std::string> received;
  LoopbackServer server([&](Peer& peer) {
    if (!peer.read_request()) return;
    peer.send("HTTP/1.1 307 Moved\r\nLocation: /renamed\r\nContent-Length: 0\r\n\r\n");
    const auto second = peer.read_request();
    received.set_value(second ? second->body : "nothing");
    peer.send(kEmptyAnswer);
    peer.finish();
  });
  HttpRequest request = upload(server.url("/name"), "the body", "POST");
  request.credential = Credential{AuthScheme::kBearer, Secret("hf_secret")};
  const auto answer = send(request);
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(received.get_future().get(), "the body");
  EXPECT_THAT(server.requests().at(1).head, ::testing::StartsWith("POST /renamed "));
  EXPECT_EQ(server.requests().at(1).header("Authorization"), "Bearer hf_secret");
}

TEST_F(CurlClientTest, ARedirectToAnotherHostIsRefusedUnseen) {
  LoopbackServer stranger(always(std::string(kEmptyAnswer)));
  LoopbackServer server(always("HTTP/1.1 307 Moved\r\nLocation: " + stranger.url("/x?sig=1") +
                               "\r\nContent-Length: 0\r\n\r\n"));
  HttpRequest request = upload(server.url("/name"), "body");
  request.credential = Credential{AuthScheme::kBasic, Secret("hf_secret")};
  const auto answer = send(request);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, ErrorKind::kRejected);
  EXPECT_THAT(answer.error().message, AllOf(HasSubstr(stranger.host()), HasSubstr("another host")));
  EXPECT_EQ(answer.error().message.find("sig="), std::string::npos);
  EXPECT_EQ(stranger.connections(), 0);
}

TEST_F(CurlClientTest, RedirectsEnd) {
  LoopbackServer server(
      always("HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"));
  const auto answer = send(get(server.url("/")));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, ErrorKind::kRejected);
  EXPECT_EQ(server.requests().size(), 6u);
}

TEST_F(CurlClientTest, AnEarlyRefusalIsAnAnswer) {
  LoopbackServer server([](Peer& peer) {
    if (!peer.read_head()) return;
    peer.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\nConnection: close\r\n\r\nquota");
    peer.finish();
  });
  const auto answer = send(upload(server.url("/"), std::string(32u << 20, 'x')));
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(answer->status, 403);
  EXPECT_EQ(answer->body, "quota");
}

TEST_F(CurlClientTest, WhatIsNoAnswerIsANetworkError) {
  const std::string dead = "http://127.0.0.1:" + std::to_string(closed_port()) + "/?sig=1";
  LoopbackServer truncated(once_and_finish("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfour"));
  LoopbackServer half_chunk(
      once_and_finish("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nfour"));
  LoopbackServer half_head(once_and_finish("HTTP/1.1 200 OK\r\nContent-Le"));
  LoopbackServer silent([](Peer& peer) { peer.read_request(); });
  for (const std::string& url : {dead, truncated.url("/?sig=1"), half_chunk.url("/?sig=1"),
                                 half_head.url("/?sig=1"), silent.url("/?sig=1")}) {
    const auto answer = send(get(url));
    ASSERT_FALSE(answer.ok()) << url;
    EXPECT_EQ(answer.error().kind, ErrorKind::kNetwork) << answer.error().message;
    EXPECT_THAT(answer.error().message, HasSubstr("no answer from " + url_host(url)));
    EXPECT_EQ(answer.error().message.find("sig="), std::string::npos);
  }
}

TEST_F(CurlClientTest, AStallIsATimeout) {
  LoopbackServer server([](Peer& peer) {
    if (peer.read_request() && peer.send("HTTP/1.1 200 OK\r\nContent-Le")) peer.read_head();
  });
  settings_.stall_timeout = seconds(1);
  const auto answer = send(get(server.url("/")));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, ErrorKind::kTimeout) << answer.error().message;
}

TEST_F(CurlClientTest, CancelEndsAStalledExchange) {
  std::stop_source stop;
  LoopbackServer server([&](Peer& peer) {
    if (!peer.read_request()) return;
    stop.request_stop();
    peer.read_head();
  });
  const auto begin = std::chrono::steady_clock::now();
  const auto answer = client().send(get(server.url("/")), stop.get_token());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(10));  // the stall limit is 60 s
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, ErrorKind::kCancelled) << answer.error().message;
}

TEST_F(CurlClientTest, CancelledTouchesNothing) {
  LoopbackServer server(always(std::string(kEmptyAnswer)));
  std::stop_source stop;
  stop.request_stop();
  const auto answer = client().send(get(server.url("/")), stop.get_token());
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, ErrorKind::kCancelled);
  EXPECT_EQ(server.connections(), 0);
}

TEST_F(CurlClientTest, AnAnswerHasALargestSize) {
  LoopbackServer server(
      once_and_finish("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + std::string(100, 'x')));
  HttpRequest request = get(server.url("/"));
  request.max_response_bytes = 99;
  const auto answer = send(request);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, ErrorKind::kRejected) << answer.error().message;
  request.max_response_bytes = 100;
  EXPECT_TRUE(send(request).ok());
}

TEST_F(CurlClientTest, CredentialsInTheFormTheyAskFor) {
  LoopbackServer server(always(std::string(kEmptyAnswer)));
  HttpRequest request = get(server.url("/"));
  request.credential = Credential{AuthScheme::kBearer, Secret("hf_secret")};
  ASSERT_TRUE(send(request).ok());
  request.credential->scheme = AuthScheme::kBasic;
  request.credential->username = "ann";
  ASSERT_TRUE(send(request).ok());
  request.credential->token = Secret();
  ASSERT_TRUE(send(request).ok());
  EXPECT_EQ(server.requests().at(0).header("Authorization"), "Bearer hf_secret");
  EXPECT_EQ(server.requests().at(1).header("Authorization"),
            "Basic " + basic_value("ann", Secret("hf_secret")));
  EXPECT_EQ(server.requests().at(2).header("Authorization"), "");
}

TEST_F(CurlClientTest, BlanksWhatAServerGivesBackOfACredential) {
  LoopbackServer server(
      always("HTTP/1.1 403 Forbidden\r\nX-Request-Id: hf_secret\r\nContent-Length: 17\r\n\r\n"
             "who is hf_secret?"));
  HttpRequest own = get(server.url("/"));
  own.credential = Credential{AuthScheme::kBearer, Secret("hf_secret")};
  HttpRequest handed_out = get(server.url("/"));
  handed_out.headers = {{"authorization", "Bearer hf_secret"}};
  for (const HttpRequest& request : {own, handed_out}) {
    const auto answer = send(request);
    ASSERT_TRUE(answer.ok()) << answer.error().message;
    EXPECT_EQ(answer->header("x-request-id"), "*********");
    EXPECT_EQ(answer->body, "who is *********?");
  }
}

TEST_F(CurlClientTest, ReportsAFailingBodyInItsOwnWords) {
  LoopbackServer server([](Peer& peer) { peer.read_request(); });
  HttpRequest request = get(server.url("/"));
  request.method = "PUT";
  request.body = Source::from_file("/nonexistent/model.safetensors", 10);
  const auto answer = send(request);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, ErrorKind::kIo) << answer.error().message;
  EXPECT_THAT(answer.error().message, HasSubstr("model.safetensors"));
}

}  // namespace
}  // namespace hubrev::testing
