// What a hostile or broken server does to the real HttpClient, by its answers and by the headers it
// dictates.

#include <gmock/gmock.h>

#include "plugin/net/http.h"
#include "tests/unit/net/client_fixture.h"
#include "tests/unit/net/loopback_server.h"

namespace hubrev::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

LoopbackServer::Handler once(std::string answer) {
  return [answer = std::move(answer)](Peer& peer) {
    if (peer.read_request() && peer.send(answer)) peer.finish();
  };
}

// A DEFLATE stream (RFC 1951, fixed Huffman codes) in zlib's envelope: zeros, 258 of them in each
// 13 bits.
class Bomb {
 public:
  explicit Bomb(std::size_t repeats) : bytes_("\x78\x01") {
    put(0b1, 1);   // the last block,
    put(0b01, 2);  // with fixed codes
    put_code(0b00110000, 8);
    for (std::size_t i = 0; i < repeats; ++i) {
      put_code(0b11000101, 8);  // length 258
      put_code(0b00000, 5);     // distance 1
    }
    put_code(0b0000000, 7);  // the end
    while (filled_ != 0) put_bit(0);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void put(unsigned bits, int count) {
    for (int i = 0; i < count; ++i) put_bit((bits >> i) & 1u);
  }
  void put_code(unsigned code, int count) {  // from its highest bit on
    for (int i = count - 1; i >= 0; --i) put_bit((code >> i) & 1u);
  }
  void put_bit(unsigned bit) {
    pending_ |= bit << filled_;
    if (++filled_ < 8) return;
    bytes_ += static_cast<char>(pending_);
    pending_ = 0;
    filled_ = 0;
  }

  std::string bytes_;
  unsigned pending_ = 0;
  int filled_ = 0;
};

class CurlHostileTest : public ClientFixture {
 protected:
  void expect_failure(const std::string& answer, ErrorKind kind, const char* words) {
    LoopbackServer server(once(answer));
    const auto outcome = send(get(server.url("/")));
    ASSERT_FALSE(outcome.ok()) << outcome->status;
    EXPECT_EQ(outcome.error().kind, kind) << outcome.error().message;
    EXPECT_THAT(outcome.error().message, HasSubstr(words));
  }
};

TEST_F(CurlHostileTest, ACompressedAnswerCountsAsLargeAsItBecomes) {
  constexpr std::size_t kRepeats = 400'000;  // 100 MB in 650 kB
  const std::string packed = Bomb(kRepeats).bytes();
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: ";
  expect_failure(head + std::to_string(packed.size()) + "\r\n\r\n" + packed, ErrorKind::kRejected,
                 "larger than expected");
}

TEST_F(CurlHostileTest, ASmallCompressedAnswerIsRead) {
  std::string packed = Bomb(2).bytes();
  packed += std::string("\x02\x05\x00\x01", 4);  // Adler-32 of 517 zeros
  LoopbackServer server(once("HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: " +
                             std::to_string(packed.size()) + "\r\n\r\n" + packed));
  const auto answer = send(get(server.url("/")));
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(answer->body, std::string(517, '\0'));
}

TEST_F(CurlHostileTest, HeadersHaveALargestSize) {
  std::string many = "HTTP/1.1 200 OK\r\n";
  for (int i = 0; i < 5000; ++i)
    many += "X-" + std::to_string(i) + ": " + std::string(80, 'x') + "\r\n";
  expect_failure(many + "\r\n", ErrorKind::kRejected, "headers are larger");
}

TEST_F(CurlHostileTest, OneHeaderHasALargestSize) {
  LoopbackServer server(
      once("HTTP/1.1 200 OK\r\nX-Long: " + std::string(1u << 20, 'x') + "\r\n\r\n"));
  const auto answer = send(get(server.url("/")));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, ErrorKind::kRejected) << answer.error().message;
}

TEST_F(CurlHostileTest, AFloodOfInterimAnswersEnds) {
  std::string flood;
  while (flood.size() < (1u << 20)) flood += "HTTP/1.1 100 Continue\r\n\r\n";
  expect_failure(flood, ErrorKind::kRejected, "headers are larger");
}

TEST_F(CurlHostileTest, EarlyHintsLeaveNoTrace) {
  LoopbackServer server(
      once("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nRateLimit: \"api\";r=0;t=9\r\n\r\n"
           "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
  const auto answer = send(get(server.url("/")));
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "ok");
  EXPECT_EQ(answer->header("link"), "");
  EXPECT_EQ(answer->header("ratelimit"), "");
}

TEST_F(CurlHostileTest, ASwitchOfProtocolsThatNobodyAskedForIsNoSuccess) {
  LoopbackServer server(once("HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\n\r\nhello"));
  const auto answer = send(get(server.url("/")));
  if (answer.ok()) {
    EXPECT_EQ(answer->status, 101);
  }
}

TEST_F(CurlHostileTest, WhatIsNotHttpIsANetworkError) {
  for (const char* bytes : {"hello, I am no web server\r\n\r\n", "\x16\x03\x01garbage",
                            "HTTP/9.9 200 OK\r\n\r\n", "HTTP/1.1 99999 What\r\n\r\n"}) {
    expect_failure(bytes, ErrorKind::kNetwork, "no answer from 127.0.0.1");
  }
}

TEST_F(CurlHostileTest, TwoLengthsAreANetworkError) {
  expect_failure("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 7\r\n\r\nx",
                 ErrorKind::kNetwork, "no answer from");
}

TEST_F(CurlHostileTest, ALengthThatIsNoneIsAnError) {
  for (const char* length : {"-1", "99999999999999999999999", "many"}) {
    LoopbackServer server(
        once(std::string("HTTP/1.1 200 OK\r\nContent-Length: ") + length + "\r\n\r\nhello"));
    const auto answer = send(get(server.url("/")));
    if (answer.ok()) {
      EXPECT_EQ(answer->body, "hello") << length;
    }
  }
}

TEST_F(CurlHostileTest, AHeaderFromAServerCannotSplitTheRequest) {
  LoopbackServer server(once("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  const std::string secret = "value\r\nX-Injected: 1";
  const std::pair<std::string, std::string> headers[] = {
      {"X-Good", secret},
      {"X-Good", "a\nb"},
      {"X-Good", std::string("a\0b", 3)},
      {"X-Bad\r\nX-Other", "1"},
      {"X Bad", "1"},
      {"X-Bad:", "1"},
      {"", "1"},
      {"X-\xC3\xA4", "1"},
  };
  for (const auto& header : headers) {
    HttpRequest request = get(server.url("/"));
    request.headers = {header};
    const auto answer = send(request);
    ASSERT_FALSE(answer.ok()) << header.first;
    EXPECT_EQ(answer.error().kind, ErrorKind::kRejected);
    EXPECT_THAT(answer.error().message, Not(HasSubstr("value")));
  }
  HttpRequest request = get(server.url("/"));
  request.credential = Credential{AuthScheme::kBearer, Secret("hf_secret\r\nX-Injected: 1")};
  const auto answer = send(request);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, ErrorKind::kConfig);
  EXPECT_THAT(answer.error().message, Not(HasSubstr("hf_secret")));
  EXPECT_EQ(server.connections(), 0);
}

TEST_F(CurlHostileTest, AServerDoesNotDictateTheFraming) {
  LoopbackServer server(once("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  HttpRequest request = upload(server.url("/"), "the whole body");
  request.headers = {{"content-length", "3"},  {"Transfer-Encoding", "chunked"},
                     {"HOST", "evil.example"}, {"Expect", "100-continue"},
                     {"X-Empty", ""},          {"X-Kept", "\tyes"}};
  ASSERT_TRUE(send(request).ok());
  const WireRequest seen = server.requests().at(0);
  EXPECT_EQ(seen.body, "the whole body");
  EXPECT_EQ(seen.header("Content-Length"), "14");
  EXPECT_EQ(seen.header("Host"), server.host());
  EXPECT_THAT(seen.head, Not(HasSubstr("chunked")));
  EXPECT_THAT(seen.head, Not(HasSubstr("100-continue")));
  EXPECT_THAT(seen.head, HasSubstr("\r\nX-Empty:"));
  EXPECT_THAT(seen.head, HasSubstr("X-Kept: \tyes\r\n"));
}

TEST_F(CurlHostileTest, AProxysRefusalIsNotTheServersAnswer) {
  LoopbackServer proxy(
      once("HTTP/1.1 403 Forbidden\r\nX-Error-Message: no\r\nContent-Length: 0\r\n\r\n"));
  const EnvironmentVariable no_exception("no_proxy", "");
  const EnvironmentVariable variable("https_proxy", "http://" + proxy.host());
  const auto answer = send(get("https://hub.invalid/"));
  ASSERT_FALSE(answer.ok()) << answer->status;
  EXPECT_EQ(answer.error().kind, ErrorKind::kRejected) << answer.error().message;
  EXPECT_THAT(answer.error().message, HasSubstr("response 403: the proxy refuses"));
}

}  // namespace
}  // namespace hubrev::testing
