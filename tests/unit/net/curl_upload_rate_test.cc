// The cap on uploads, as the real HttpClient keeps it. How exact it is is shown in
// upload_limiter_test.cc on a clock without jitter.

#include <gmock/gmock.h>

#include <thread>

#include "plugin/net/http.h"
#include "tests/unit/net/client_fixture.h"
#include "tests/unit/net/loopback_server.h"

namespace hubrev::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

void answer_all(Peer& peer) {
  while (peer.read_request() && peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) {
  }
}

class CurlUploadRateTest : public ClientFixture {};

// Never faster than the cap, however many there are; nothing here fails because it is slow.
TEST_F(CurlUploadRateTest, HoldsForAllUploadsTogether) {
  constexpr std::size_t kBody = 40'000;
  constexpr std::size_t kUploads = 4;
  settings_.max_upload_rate = 200'000;
  HttpClient& http = client();
  std::array<std::unique_ptr<LoopbackServer>, kUploads> servers;
  for (auto& server : servers) server = std::make_unique<LoopbackServer>(answer_all);
  const auto begin = steady_clock::now();
  std::vector<std::thread> threads;
  for (const auto& server : servers) {
    threads.emplace_back([&http, &server] {
      EXPECT_TRUE(http.send(upload(server->url("/"), std::string(kBody, 'x')), {}).ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(steady_clock::now() - begin, milliseconds(720));  // 0.8 s less a tenth
  for (const auto& server : servers) EXPECT_EQ(server->requests().at(0).body.size(), kBody);
}

TEST_F(CurlUploadRateTest, WaitingForItIsNoStall) {
  settings_.max_upload_rate = 512;  // a slot of 1024 bytes every 2 s
  settings_.stall_timeout = milliseconds(1500);
  LoopbackServer server(answer_all);
  const auto begin = steady_clock::now();
  const auto answer = send(upload(server.url("/"), std::string(2000, 'x')));
  EXPECT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_GE(steady_clock::now() - begin, milliseconds(1900));
}

TEST_F(CurlUploadRateTest, WhatHasNoBodyIsNotHeldBack) {
  settings_.max_upload_rate = 1;
  LoopbackServer server(answer_all);
  EXPECT_TRUE(send(get(server.url("/"))).ok());
  EXPECT_TRUE(send(upload(server.url("/"), "")).ok());
}

TEST_F(CurlUploadRateTest, AnEarlyRefusalIsHeardWhileTheBodyWaits) {
  settings_.max_upload_rate = 512;
  LoopbackServer server([](Peer& peer) {
    if (!peer.read_head()) return;
    peer.read_exactly(1024);
    peer.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\nConnection: close\r\n\r\nquota");
    peer.finish();
  });
  const auto begin = steady_clock::now();
  const auto answer = send(upload(server.url("/"), std::string(1u << 20, 'x')));
  EXPECT_LT(steady_clock::now() - begin, seconds(30));  // the body would take half an hour
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(answer->status, 403);
  EXPECT_EQ(answer->body, "quota");
}

// The kept connection ends without an answer; curl sends it again on a fresh one.
TEST_F(CurlUploadRateTest, ABodyThatIsSentAgainIsWhole) {
  settings_.max_upload_rate = 100'000;
  const std::string body(20'000, 'x');
  LoopbackServer server([&](Peer& peer) {
    if (server.connections() > 1) return answer_all(peer);
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    peer.read_request();
  });
  ASSERT_TRUE(send(get(server.url("/"))).ok());
  const auto answer = send(upload(server.url("/"), body));
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(server.connections(), 2);
  EXPECT_EQ(server.requests().back().body.size(), body.size());
}

}  // namespace
}  // namespace hubrev::testing
