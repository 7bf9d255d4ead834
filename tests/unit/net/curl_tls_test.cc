// The real HttpClient over TLS: certificates, and HTTP/2 in the few frames that a refusal takes.

#include <gmock/gmock.h>

#include "plugin/net/http.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/net/client_fixture.h"
#include "tests/unit/net/loopback_server.h"

namespace hubrev::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// ---- HTTP/2 frames (RFC 9113 section 4.1, HPACK: RFC 7541)
// ---------------------------------------

constexpr char kHeaders = 1;
constexpr char kRstStream = 3;
constexpr char kSettings = 4;
constexpr char kAck = 1;
constexpr char kEndHeaders = 4;

std::string frame(char type, char flags, char stream, const std::string& payload) {
  const char header[] = {0, 0, static_cast<char>(payload.size()), type, flags, 0, 0, 0, stream};
  return std::string(header, sizeof header) + payload;
}

std::string refusal_headers() {
  return std::string("\x48\x03") + "403" +  // :status, by its index in the static table
         std::string("\x00\x0c", 2) + "x-request-id" + "\x03" + "abc";
}

// Reads until the client's request has begun.
bool await_request(Peer& peer) {
  constexpr std::size_t kPreface = 24;
  if (!peer.read_exactly(kPreface) || !peer.send(frame(kSettings, 0, 0, ""))) return false;
  for (;;) {
    const auto header = peer.read_exactly(9);
    if (!header) return false;
    std::size_t length = 0;
    for (std::size_t i = 0; i < 3; ++i)
      length = length << 8 | static_cast<unsigned char>((*header)[i]);
    if (!peer.read_exactly(length)) return false;
    if ((*header)[3] == kHeaders) return peer.send(frame(kSettings, kAck, 0, ""));
  }
}

LoopbackServer::Handler reset_after(std::string answer_headers, char code) {
  return [answer_headers, code](Peer& peer) {
    if (!await_request(peer)) return;
    if (!answer_headers.empty()) peer.send(frame(kHeaders, kEndHeaders, 1, answer_headers));
    peer.send(frame(kRstStream, 0, 1, std::string(3, '\0') + code));
    peer.finish();
  };
}

class CurlTlsTest : public ClientFixture {
 protected:
  static void expect_refused(const Result<HttpResponse>& answer,
                             std::initializer_list<const char*> words) {
    ASSERT_FALSE(answer.ok());
    EXPECT_EQ(answer.error().kind, ErrorKind::kRejected) << answer.error().message;
    for (const char* word : words) EXPECT_THAT(answer.error().message, HasSubstr(word));
  }

  TempDir folder_;
  TlsIdentity identity_;
  std::string bundle_ = folder_.write("ca.pem", identity_.certificate());
};

TEST_F(CurlTlsTest, AnUnknownCertificateNamesItsRemedy) {
  LoopbackServer server([](Peer& peer) { peer.finish(); }, &identity_);
  expect_refused(send(get(server.url("/"))),
                 {"certificate", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "right host"});
  EXPECT_TRUE(server.requests().empty());
}

TEST_F(CurlTlsTest, ACertificateForAnotherHostNamesItsRemedy) {
  const EnvironmentVariable trust("REQUESTS_CA_BUNDLE", bundle_);
  LoopbackServer server([](Peer& peer) { peer.finish(); }, &identity_);
  expect_refused(send(get("https://localhost:" + std::to_string(server.port()) + "/")),
                 {"localhost", "right host"});
}

TEST_F(CurlTlsTest, ABundleThatIsNotThereIsNamed) {
  const EnvironmentVariable trust("REQUESTS_CA_BUNDLE", folder_ / "missing.pem");
  LoopbackServer server([](Peer& peer) { peer.finish(); }, &identity_);
  expect_refused(send(get(server.url("/"))), {"missing.pem", "REQUESTS_CA_BUNDLE", "readable"});
}

TEST_F(CurlTlsTest, AnEarlyRefusalOverHttp2IsAnAnswer) {
  const EnvironmentVariable trust("REQUESTS_CA_BUNDLE", bundle_);
  const char kNoError = 0;
  const char kCancel = 8;
  for (const char code : {kNoError, kCancel}) {
    LoopbackServer server(reset_after(refusal_headers(), code), &identity_);
    const auto answer = send(upload(server.url("/"), std::string(4u << 20, 'x')));
    ASSERT_TRUE(answer.ok()) << int{code} << ": " << answer.error().message;
    EXPECT_EQ(answer->status, 403);
    EXPECT_EQ(answer->header("x-request-id"), "abc");
  }
}

TEST_F(CurlTlsTest, AResetWithoutAnAnswerIsANetworkError) {
  const EnvironmentVariable trust("REQUESTS_CA_BUNDLE", bundle_);
  const char kInternalError = 2;
  LoopbackServer server(reset_after("", kInternalError), &identity_);
  const auto answer = send(upload(server.url("/"), "body"));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, ErrorKind::kNetwork) << answer.error().message;
}

}  // namespace
}  // namespace hubrev::testing
