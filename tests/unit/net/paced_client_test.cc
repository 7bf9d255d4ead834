#include "plugin/net/paced_client.h"

#include <gmock/gmock.h>

#include <future>
#include <thread>

#include "tests/support/fake_clock.h"
#include "tests/support/fake_http.h"

namespace hubrev {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::FakeHttp;
using testing::respond;

constexpr const char* kHub = "https://hub.example/api/x";
constexpr const char* kStorage = "https://storage.example/object?signature";

class PacedClientTest : public ::testing::Test {
 protected:
  // Sends to `url`; the server answers with those headers.
  Result<HttpResponse> send(const char* url, std::string limit, std::string policy = "") {
    {
      const std::lock_guard lock(mutex_);
      headers_ = {{"ratelimit", std::move(limit)}, {"ratelimit-policy", std::move(policy)}};
    }
    HttpRequest request;
    request.url = url;
    return client_.send(request, stop_.get_token());
  }
  // How long the next request to `url` is held up; its answer tells of no quota.
  milliseconds held_up(const char* url) {
    const auto before = clock_.now();
    EXPECT_TRUE(send(url, "").ok());
    return std::chrono::duration_cast<milliseconds>(clock_.now() - before);
  }

  std::mutex mutex_;  // guards the next two
  HttpHeaders headers_;
  std::vector<std::string> told_;
  testing::FakeClock clock_;
  std::stop_source stop_;
  FakeHttp* server_ = nullptr;
  PacedClient client_{[this] {
                        auto server = std::make_unique<FakeHttp>([this](const auto&) {
                          const std::lock_guard lock(mutex_);
                          return respond(200, "", headers_);
                        });
                        server_ = server.get();
                        return server;
                      }(),
                      clock_,
                      [this](const std::string& text) {
                        const std::lock_guard lock(mutex_);
                        told_.push_back(text);
                      }};
};

TEST_F(PacedClientTest, PlentyLeftIsNoReasonToWait) {
  for (const char* limit : {"", "\"api\";r=11;t=300", "nonsense", "\"api\";r=5", "\"api\";t=5"}) {
    ASSERT_TRUE(send(kHub, limit).ok());
    EXPECT_EQ(held_up(kHub), milliseconds(0)) << limit;
  }
  EXPECT_TRUE(told_.empty());
}

TEST_F(PacedClientTest, AnEmptyQuotaIsWaitedFor) {
  ASSERT_TRUE(send(kHub, "\"api\";r=0;t=30").ok());
  EXPECT_EQ(held_up(kHub), seconds(31));
  EXPECT_EQ(held_up(kHub), milliseconds(0)) << "it is full again";
  EXPECT_THAT(told_, ::testing::ElementsAre("hub.example: the server's request quota is nearly "
                                            "used up; slowing down for 31 s"));
}

TEST_F(PacedClientTest, FewLeftAreSpreadOverTheTimeLeft) {
  const auto end = clock_.now() + seconds(60);
  long left = 6;
  PacedClient client(std::make_unique<FakeHttp>([&](const auto&) {
                       const auto rest = std::chrono::floor<seconds>(end - clock_.now()).count();
                       return respond(200, "",
                                      {{"ratelimit", "\"api\";r=" + std::to_string(--left) +
                                                         ";t=" + std::to_string(rest)}});
                     }),
                     clock_, [this](const std::string& text) { told_.push_back(text); });
  HttpRequest request;
  request.url = kHub;
  while (left > 0) ASSERT_TRUE(client.send(request, {}).ok());
  EXPECT_LT(clock_.now(), end);
  ASSERT_EQ(clock_.sleeps().size(), 5u);
  for (const milliseconds pause : clock_.sleeps()) {
    EXPECT_GE(pause, seconds(9));
    EXPECT_LE(pause, seconds(11));
  }
  EXPECT_EQ(told_.size(), 1u) << "told once, not for each request";
}

TEST_F(PacedClientTest, RequestsBesideEachOtherShareWhatIsLeft) {
  ASSERT_TRUE(send(kHub, "\"api\";r=3;t=39").ok());  // full again after 40 s
  EXPECT_EQ(held_up(kHub), seconds(10));
  EXPECT_EQ(held_up(kHub), seconds(10));  // those answers told of nothing: our own count
  EXPECT_EQ(held_up(kHub), seconds(10));
  EXPECT_EQ(held_up(kHub), seconds(10));
  EXPECT_EQ(held_up(kHub), seconds(0));
}

TEST_F(PacedClientTest, FewIsTenOrAFiftiethOfTheQuota) {
  const std::string policy = "\"fixed window\";\"api\";q=5000;w=300";
  ASSERT_TRUE(send(kHub, "\"api\";r=101;t=100", policy).ok());
  EXPECT_EQ(held_up(kHub), seconds(0));
  ASSERT_TRUE(send(kHub, "\"api\";r=100;t=100", policy).ok());
  EXPECT_EQ(held_up(kHub), seconds(1));
  ASSERT_TRUE(send(kStorage, "\"api\";r=10;t=109", "\"api\";q=100").ok());
  EXPECT_EQ(held_up(kStorage), seconds(10));
}

TEST_F(PacedClientTest, AnAnswerWithMoreLeftEndsIt) {
  ASSERT_TRUE(send(kHub, "\"api\";r=2;t=29").ok());
  ASSERT_TRUE(send(kHub, "\"api\";r=400;t=300").ok());
  EXPECT_EQ(clock_.sleeps().size(), 1u);
  EXPECT_EQ(held_up(kHub), seconds(0));
}

TEST_F(PacedClientTest, OneQuotaSaysNothingAboutAnother) {
  ASSERT_TRUE(send(kHub, "\"resolvers\";r=0;t=9").ok());
  stop_.request_stop();
  EXPECT_FALSE(send(kHub, "").ok());
  stop_ = std::stop_source();
  ASSERT_TRUE(send(kHub, "\"api\";r=400;t=300, \"resolvers\";r=0;t=9").ok());
  EXPECT_EQ(held_up(kHub), seconds(10));
}

TEST_F(PacedClientTest, OtherHostsAreNotHeldUp) {
  ASSERT_TRUE(send(kHub, "\"api\";r=0;t=30").ok());
  EXPECT_EQ(held_up(kStorage), seconds(0));
  EXPECT_EQ(held_up("https://hub.example:8443/"), seconds(0));
  EXPECT_EQ(held_up("https://HUB.example:443/y"), seconds(31)) << "the same host";
}

TEST_F(PacedClientTest, AnAbsurdResetIsLeftToTheRefusal) {
  for (const char* limit : {"\"api\";r=0;t=86400", "\"api\";r=0;t=99999999999999999999999"}) {
    ASSERT_TRUE(send(kHub, limit).ok());
    EXPECT_EQ(held_up(kHub), seconds(0)) << limit;
  }
}

TEST_F(PacedClientTest, AStopEndsTheWaitAndSendsNothing) {
  std::promise<void> waiting;
  auto answer = [](const auto&) { return respond(200, "", {{"ratelimit", "\"api\";r=0;t=600"}}); };
  auto server = std::make_unique<FakeHttp>(answer);
  const FakeHttp& seen = *server;
  PacedClient client(std::move(server), system_clock(),
                     [&](const std::string&) { waiting.set_value(); });
  HttpRequest request;
  request.url = kHub;
  ASSERT_TRUE(client.send(request, {}).ok());
  auto second =
      std::async(std::launch::async, [&] { return client.send(request, stop_.get_token()); });
  waiting.get_future().wait();
  const auto begin = std::chrono::steady_clock::now();
  stop_.request_stop();
  const auto outcome = second.get();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(1));
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().kind, ErrorKind::kCancelled);
  EXPECT_EQ(seen.seen().size(), 1u);
}

TEST_F(PacedClientTest, ManyThreadsMayAsk) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([this, i] {
      for (int k = 0; k < 50; ++k) {
        EXPECT_TRUE(
            send(i % 2 == 0 ? kHub : kStorage, "\"api\";r=" + std::to_string((i + k) % 15) + ";t=5")
                .ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(server_->seen().size(), 400u);
}

}  // namespace
}  // namespace hubrev
