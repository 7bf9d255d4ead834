// A requested stop ends an exchange at once, whatever it waits for, and the server hears no more.

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <future>
#include <iomanip>
#include <random>
#include <sstream>
#include <thread>

#include "plugin/net/http.h"
#include "tests/unit/net/client_fixture.h"
#include "tests/unit/net/loopback_server.h"
#include "tests/unit/net/stuck_resolver.h"

namespace hubrev::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view kEmptyAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
constexpr milliseconds kPollPause{5};

// Waits for what no other thread can announce.
template <typename Condition>
void await(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + seconds(60);
  while (!condition()) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    std::this_thread::sleep_for(kPollPause);
  }
}

// A socket that listens, and whose connections nobody ever accepts.
class DeafListener {
 public:
  explicit DeafListener(int backlog) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address_;
    EXPECT_EQ(::bind(socket_.get(), raw(), length), 0);
    EXPECT_EQ(::getsockname(socket_.get(), raw(), &length), 0);
    EXPECT_EQ(::listen(socket_.get(), backlog), 0);
  }
  // Takes the only place in a queue of backlog 0: the kernel answers nobody else.
  void fill() {
    guest_ = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::connect(guest_.get(), raw(), sizeof address_), 0);
  }
  std::string url(const char* scheme) const {
    return std::string(scheme) + "://127.0.0.1:" + std::to_string(ntohs(address_.sin_port)) + "/";
  }
  // How many sockets of this machine are in that state towards the listener (proc(5), "tcp").
  int peers(std::string_view state) const {
    std::ostringstream port;
    port << "0100007F:" << std::uppercase << std::hex << std::setw(4) << std::setfill('0')
         << ntohs(address_.sin_port);
    std::ifstream table("/proc/net/tcp");
    int count = 0;
    for (std::string line; std::getline(table, line);) {
      std::istringstream fields(line);
      std::string number, local, remote, of;
      fields >> number >> local >> remote >> of;
      if (remote == port.str() && of == state) ++count;
    }
    return count;
  }

 private:
  sockaddr* raw() { return reinterpret_cast<sockaddr*>(&address_); }

  sockaddr_in address_{};
  Fd socket_;
  Fd guest_;
};

class CurlCancelTest : public ClientFixture {
 protected:
  // Sends, waits until `reached` returns, requests a stop, and expects the end at once.
  template <typename Reached>
  void expect_quick_end(const HttpRequest& request, Reached reached) {
    HttpClient& http = client();
    std::stop_source stop;
    auto exchange =
        std::async(std::launch::async, [&] { return http.send(request, stop.get_token()); });
    reached();
    const auto begin = std::chrono::steady_clock::now();
    stop.request_stop();
    const auto answer = exchange.get();
    const auto took = std::chrono::steady_clock::now() - begin;
    EXPECT_LT(took, kLimit);
    RecordProperty("milliseconds",
                   static_cast<int>(std::chrono::duration_cast<milliseconds>(took).count()));
    ASSERT_FALSE(answer.ok());
    EXPECT_EQ(answer.error().kind, ErrorKind::kCancelled) << answer.error().message;
  }

  // curl alone looks once a second.
  static constexpr milliseconds kLimit{700};
};

// A server that lets an exchange come to some point, and then waits until the client is gone.
class Stage {
 public:
  // `play` returns when the point is reached.
  explicit Stage(std::function<void(Peer&)> play)
      : server_([this, play = std::move(play)](Peer& peer) {
          play(peer);
          reached_.set_value();
          while (peer.read_exactly(1)) {
          }
          left_.set_value();
        }) {}
  void await_reached() { reached_.get_future().wait(); }
  void expect_left_for_good(std::size_t most_requests = 1) {
    left_.get_future().wait();
    EXPECT_EQ(server_.connections(), 1);
    EXPECT_LE(server_.requests().size(), most_requests);
  }
  LoopbackServer& server() { return server_; }

 private:
  std::promise<void> reached_;
  std::promise<void> left_;
  LoopbackServer server_;  // ends before the promises
};

TEST_F(CurlCancelTest, WhileTheNameIsResolved) {
  const StuckResolver resolver;
  expect_quick_end(get(std::string("http://") + kStuckName + ":1/"),
                   [] { StuckResolver::await_question(); });
}

TEST_F(CurlCancelTest, TheConnectLimitHoldsForResolvingToo) {
  const StuckResolver resolver;
  settings_.connect_timeout = milliseconds(300);
  const auto begin = std::chrono::steady_clock::now();
  const auto answer = send(get(std::string("http://") + kStuckName + ":1/"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(5));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, ErrorKind::kTimeout) << answer.error().message;
  EXPECT_EQ(StuckResolver::questions(), 1);
  LoopbackServer server([](Peer& peer) {
    if (peer.read_request()) peer.send(kEmptyAnswer);
  });
  EXPECT_TRUE(send(get(server.url("/"))).ok()) << "the client goes on";
}

TEST_F(CurlCancelTest, WhileConnecting) {
  constexpr std::string_view kSynSent = "02";
  DeafListener listener(0);
  listener.fill();
  expect_quick_end(get(listener.url("http")),
                   [&] { await([&] { return listener.peers(kSynSent) == 1; }); });
  await([&] { return listener.peers(kSynSent) == 0; });
}

TEST_F(CurlCancelTest, WhenNobodyAccepts) {
  constexpr std::string_view kEstablished = "01";
  DeafListener listener(8);
  expect_quick_end(get(listener.url("http")),
                   [&] { await([&] { return listener.peers(kEstablished) == 1; }); });
  await([&] { return listener.peers(kEstablished) == 0; });
}

TEST_F(CurlCancelTest, WhileTlsIsNotAnswered) {
  Stage stage([](Peer& peer) { peer.read_exactly(1); });
  expect_quick_end(get("https://" + stage.server().host() + "/"), [&] { stage.await_reached(); });
  stage.expect_left_for_good();
}

TEST_F(CurlCancelTest, WhileNoAnswerComes) {
  Stage stage([](Peer& peer) { peer.read_request(); });
  expect_quick_end(upload(stage.server().url("/"), "body"), [&] { stage.await_reached(); });
  stage.expect_left_for_good();
}

// No timer of curl's is set then, which would wake it by chance.
TEST_F(CurlCancelTest, WhileNoAnswerComesOnAKeptConnection) {
  Stage stage([](Peer& peer) {
    peer.read_request();
    peer.send(kEmptyAnswer);
    peer.read_request();
  });
  ASSERT_TRUE(send(get(stage.server().url("/"))).ok());
  expect_quick_end(upload(stage.server().url("/"), "body"), [&] { stage.await_reached(); });
  stage.expect_left_for_good(2);
}

TEST_F(CurlCancelTest, WhileTheServerTakesNoMoreOfTheBody) {
  std::promise<void> cancelled;
  LoopbackServer server([&](Peer& peer) {
    peer.read_head();
    cancelled.get_future().wait();
  });
  std::atomic<std::uint64_t> sent{0};
  HttpRequest request = upload(server.url("/"), std::string(64u << 20, 'x'));
  request.sent = &sent;
  expect_quick_end(request, [&] {
    // Until the kernel's buffers are full.
    await([&, last = std::uint64_t{0}]() mutable {
      return sent > 0 && std::exchange(last, sent.load()) == sent;
    });
  });
  EXPECT_LT(sent, 64u << 20);
  cancelled.set_value();
}

TEST_F(CurlCancelTest, WhileTheCapHoldsTheBodyBack) {
  settings_.max_upload_rate = 10;  // a slot of 1024 bytes each 100 s
  Stage stage([](Peer& peer) {
    peer.read_head();
    peer.read_exactly(1024);
  });
  expect_quick_end(upload(stage.server().url("/"), std::string(4096, 'x')),
                   [&] { stage.await_reached(); });
  stage.expect_left_for_good();
}

TEST_F(CurlCancelTest, WhileTheAnswerTrickles) {
  std::promise<void> reached;
  std::promise<void> left;
  LoopbackServer server([&](Peer& peer) {
    if (!peer.read_request()) return;
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
    for (int i = 0; peer.send("x"); ++i) {
      if (i == 3) reached.set_value();
      std::this_thread::sleep_for(kPollPause);
    }
    left.set_value();
  });
  expect_quick_end(get(server.url("/")), [&] { reached.get_future().wait(); });
  left.get_future().wait();
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST_F(CurlCancelTest, AtAnyMoment) {
  LoopbackServer server([](Peer& peer) {
    while (peer.read_request() && peer.send(kEmptyAnswer)) {
    }
  });
  HttpClient& http = client();
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    std::stop_source stop;
    auto exchange = std::async(std::launch::async, [&] {
      return http.send(upload(server.url("/"), std::string(20'000, 'x')), stop.get_token());
    });
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 2000));
    stop.request_stop();
    const auto answer = exchange.get();
    if (!answer.ok()) {
      EXPECT_EQ(answer.error().kind, ErrorKind::kCancelled);
    }
  }
  EXPECT_TRUE(send(get(server.url("/"))).ok());
}

}  // namespace
}  // namespace hubrev::testing
