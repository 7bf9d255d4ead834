// Bodies that go to a sink, and redirects that may lead to another host.

#include <gmock/gmock.h>

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

std::string redirect_to(const std::string& location) {
  return "HTTP/1.1 302 Found\r\nContent-Length: 4\r\nLocation: " + location + "\r\n\r\nelse";
}

class CurlDownloadTest : public ClientFixture {
 protected:
  HttpRequest download(std::string url) {
    HttpRequest request = get(std::move(url));
    request.sink = [this](const HttpResponse& head, std::string_view bytes) -> Status {
      statuses_.push_back(head.status);
      range_ = head.header("content-range");
      taken_ += bytes;
      return {};
    };
    return request;
  }

  std::vector<int> statuses_;
  std::string range_;
  std::string taken_;
};

TEST_F(CurlDownloadTest, ASuccessGoesToTheSinkBehindItsHead) {
  LoopbackServer server(
      once("HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\nContent-Range: bytes 3-7/8\r\n\r\n"
           "hello"));
  HttpRequest request = download(server.url("/object"));
  request.max_response_bytes = 1;  // is of what is kept in memory
  const auto answer = send(request);
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(answer->status, 206);
  EXPECT_EQ(answer->body, "");
  EXPECT_EQ(taken_, "hello");
  EXPECT_EQ(statuses_.front(), 206);
  EXPECT_EQ(range_, "bytes 3-7/8");
}

TEST_F(CurlDownloadTest, AnErrorsWordsDoNot) {
  LoopbackServer server(once("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone"));
  const auto answer = send(download(server.url("/object")));
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(answer->body, "gone");
  EXPECT_EQ(taken_, "");
}

TEST_F(CurlDownloadTest, AnErrorOfTheSinkIsTheOutcome) {
  LoopbackServer server(once("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
  HttpRequest request = get(server.url("/object"));
  request.sink = [](const HttpResponse&, std::string_view) -> Status {
    return make_error(ErrorKind::kNoSpace, "the disk is full");
  };
  const auto answer = send(request);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, ErrorKind::kNoSpace);
  EXPECT_EQ(answer.error().message, "the disk is full");
}

TEST_F(CurlDownloadTest, AnAnswerThatIsCutShortIsAnError) {
  LoopbackServer server([](Peer& peer) {
    if (peer.read_request()) peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello");
  });
  const auto answer = send(download(server.url("/object")));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, ErrorKind::kNetwork);
  EXPECT_EQ(taken_, "hello");
}

TEST_F(CurlDownloadTest, AnotherHostIsFollowedWithoutWhatWasForTheFirst) {
  LoopbackServer store(once("HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\n\r\nhello"));
  LoopbackServer server(once(redirect_to(store.url("/stored?signature=s"))));
  HttpRequest request = download(server.url("/object"));
  request.credential = {AuthScheme::kBearer, Secret("token")};
  request.headers = {{"X-Api-Key", "key"}, {"Range", "bytes=3-"}};
  EXPECT_EQ(send(request).error().kind, ErrorKind::kRejected);

  LoopbackServer again(once(redirect_to(store.url("/stored?signature=s"))));
  request.url = again.url("/object");
  request.redirects = Redirects::kAnyHost;
  const auto answer = send(request);
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(taken_, "hello");
  const WireRequest first = again.requests().at(0);
  EXPECT_EQ(first.header("Authorization"), "Bearer token");
  EXPECT_EQ(first.header("X-Api-Key"), "key");
  const WireRequest second = store.requests().at(0);
  EXPECT_THAT(second.head, HasSubstr("GET /stored?signature=s "));
  EXPECT_THAT(second.head, Not(HasSubstr("Authorization")));
  EXPECT_THAT(second.head, Not(HasSubstr("X-Api-Key")));
  EXPECT_EQ(second.header("Range"), "bytes=3-");
}

TEST_F(CurlDownloadTest, OnlyTheWebIsFollowed) {
  LoopbackServer server(once(redirect_to("file:///etc/passwd")));
  HttpRequest request = download(server.url("/object"));
  request.redirects = Redirects::kAnyHost;
  const auto answer = send(request);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, ErrorKind::kRejected);
  EXPECT_THAT(answer.error().message, HasSubstr("file:///etc/passwd"));
}

}  // namespace
}  // namespace hubrev::testing
