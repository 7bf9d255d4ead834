#include "plugin/lfs/download.h"

#include <gmock/gmock.h>

#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "plugin/base/file.h"
#include "plugin/base/sha256.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_http.h"
#include "tests/support/temp_dir.h"

namespace hubrev::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kServer = "https://hub.example/o/m.git/info/lfs";
constexpr const char* kStore = "https://store.example/";

std::string range_of(const SeenRequest& request) {
  for (const auto& [name, value] : request.headers) {
    if (name == "Range") return value;
  }
  return "";
}

// An LFS server whose store knows ranges; what is queued in `scripted` comes first.
class DownloadTest : public ::testing::Test {
 protected:
  DownloadTest() : http_([this](const SeenRequest& request) { return answer(request); }) {}

  Result<HttpResponse> answer(const SeenRequest& request) {
    if (request.url == std::string(kServer) + "/objects/batch") return batch(request);
    if (!scripted_.empty()) {
      auto next = std::move(scripted_.front());
      scripted_.pop_front();
      return next;
    }
    const std::string range = range_of(request);
    if (range.empty()) return respond(200, bytes_);
    const std::size_t begin = std::stoul(range.substr(std::string("bytes=").size()));
    return partial(begin, bytes_.substr(begin));
  }

  HttpResponse batch(const SeenRequest& request) {
    using nlohmann::json;
    ++batches_;
    const json asked = json::parse(request.body);
    EXPECT_EQ(asked.at("operation"), "download");
    EXPECT_EQ(asked.at("transfers"), json::array({"basic"}));
    json object = asked.at("objects").at(0);
    if (!batch_errors_.empty()) {
      object["error"] = {{"code", batch_errors_.front()}, {"message", "says the server"}};
      batch_errors_.pop_front();
    } else {
      object["actions"]["download"] = {{"href", href_}, {"header", {{"x-given", "yes"}}}};
    }
    return respond(200, json{{"transfer", "basic"}, {"objects", {object}}}.dump());
  }

  static HttpResponse partial(std::size_t begin, std::string bytes) {
    return respond(206, std::move(bytes),
                   {{"content-range", "bytes " + std::to_string(begin) + "-9/10"}});
  }

  Status download() {
    return download_objects({{{sha256("0123456789"), 10}, "a/model.bin", file_}},
                            {kServer, {AuthScheme::kBearer, Secret("token")}, "", ""},
                            {&http_, retry(), &pool_, &here_, &received_}, {});
  }
  RetryContext retry() {
    RetryContext context;
    context.clock = &clock_;
    context.policy.max_retries = 2;
    return context;
  }
  // Of the requests to the store, the ranges.
  std::vector<std::string> ranges() const {
    std::vector<std::string> all;
    for (const SeenRequest& one : http_.seen()) {
      if (one.method == "GET") all.push_back(range_of(one));
    }
    return all;
  }
  std::string content() const { return read_file(file_, 100).value(); }
  void expect_whole() {
    const Status done = download();
    ASSERT_TRUE(done.ok()) << done.error().message;
    EXPECT_EQ(content(), "0123456789");
    EXPECT_EQ(here_, 10u);
  }
  void leave(std::string_view bytes) const {
    ASSERT_TRUE(write_file_atomic(file_, bytes, Durability::kRename).ok());
  }

  std::string bytes_ = "0123456789";
  std::string href_ = std::string(kStore) + "object?signature=s";
  std::deque<Result<HttpResponse>> scripted_;
  std::deque<int> batch_errors_;
  int batches_ = 0;
  FakeHttp http_;
  FakeClock clock_;
  ThreadPool pool_{2, ThreadPriority::kNormal};
  std::atomic<std::uint64_t> here_{0};
  std::atomic<std::uint64_t> received_{0};
  TempDir dir_;
  std::string file_ = dir_ / "object";
};

TEST_F(DownloadTest, BringsTheObject) {
  expect_whole();
  EXPECT_EQ(received_, 10u);
  EXPECT_EQ(batches_, 1);
}

TEST_F(DownloadTest, GoesOnBehindWhatIsThere) {
  leave("0123");
  expect_whole();
  EXPECT_EQ(received_, 6u);
  EXPECT_EQ(ranges(), std::vector<std::string>{"bytes=4-"});
}

TEST_F(DownloadTest, WhatIsWholeIsNotAskedFor) {
  leave("0123456789");
  expect_whole();
  EXPECT_EQ(received_, 0u);
  EXPECT_TRUE(ranges().empty());
}

TEST_F(DownloadTest, ABrokenAnswerIsCompletedAndProgressRenewsTheAttempts) {
  // More breaks than the policy has attempts, and each of them brought a byte.
  for (std::size_t i = 0; i < 7; ++i) {
    scripted_.push_back(i == 0 ? respond(200, "0") : partial(i, bytes_.substr(i, 1)));
  }
  expect_whole();
  EXPECT_EQ(received_, 10u);
  EXPECT_EQ(ranges().back(), "bytes=7-");
}

TEST_F(DownloadTest, WithoutProgressItGivesUp) {
  leave("0123");
  for (int i = 0; i < 9; ++i) scripted_.emplace_back(make_error(ErrorKind::kNetwork, "no route"));
  const Status done = download();
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().kind, ErrorKind::kNetwork);
  EXPECT_THAT(done.error().message, HasSubstr("downloading a/model.bin: no route"));
  EXPECT_EQ(ranges().size(), 3u);
  EXPECT_EQ(content(), "0123");
}

TEST_F(DownloadTest, AServerWithoutRangesSendsAllOfIt) {
  leave("0123");
  scripted_.push_back(respond(200, bytes_));
  expect_whole();
  EXPECT_EQ(received_, 10u);
}

TEST_F(DownloadTest, AServerThatRefusesTheRangeIsAskedForAll) {
  leave("0123");
  scripted_.push_back(respond(416));
  expect_whole();
  EXPECT_EQ(ranges(), (std::vector<std::string>{"bytes=4-", ""}));
}

TEST_F(DownloadTest, OtherBytesThanWereAskedForAreRefused) {
  leave("0123");
  scripted_.push_back(partial(3, "345"));
  const Status done = download();
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().kind, ErrorKind::kRejected);
  EXPECT_EQ(content(), "0123");
}

TEST_F(DownloadTest, MoreBytesThanTheObjectHasAreRefused) {
  scripted_.push_back(respond(200, bytes_ + "x"));
  const Status done = download();
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().kind, ErrorKind::kCorrupt);
  EXPECT_EQ(content(), "");
}

TEST_F(DownloadTest, OtherBytesNameBothDigestsAndAreRemoved) {
  bytes_ = "012345678x";
  const Status done = download();
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().kind, ErrorKind::kCorrupt);
  EXPECT_THAT(done.error().message,
              AllOf(HasSubstr("a/model.bin"), HasSubstr(sha256("0123456789").hex()),
                    HasSubstr(sha256("012345678x").hex())));
  EXPECT_FALSE(std::filesystem::exists(file_));
}

TEST_F(DownloadTest, WhatWasThereIsNotBelieved) {
  leave("xxxx");
  expect_whole();
  EXPECT_EQ(ranges(), (std::vector<std::string>{"bytes=4-", ""}));
  leave("longer than the object");
  here_ = 0;
  expect_whole();
}

TEST_F(DownloadTest, AnAddressThatItsStoreRefusesIsAskedForAgain) {
  scripted_.push_back(respond(403));
  expect_whole();
  EXPECT_EQ(batches_, 2);
  for (int i = 0; i < 9; ++i) scripted_.push_back(respond(403));
  std::filesystem::remove(file_);
  EXPECT_EQ(download().error().kind, ErrorKind::kAuth);
}

TEST_F(DownloadTest, AnErrorAboutTheObjectIsTheServers) {
  batch_errors_ = {500};
  expect_whole();
  std::filesystem::remove(file_);
  batch_errors_ = {404};
  const Status done = download();
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().kind, ErrorKind::kNotFound);
  EXPECT_THAT(done.error().message, HasSubstr("downloading a/model.bin"));
}

TEST_F(DownloadTest, TheTokenGoesToTheServersOwnHostAndNeverBesideASignature) {
  const auto had_credential = [&] {
    std::filesystem::remove(file_);
    EXPECT_TRUE(download().ok());
    return http_.seen().back().authorized;
  };
  EXPECT_FALSE(had_credential());
  href_ = std::string(kStore) + "object";
  EXPECT_FALSE(had_credential());
  href_ = "https://hub.example/objects/1?signature=s";
  EXPECT_FALSE(had_credential());
  href_ = "https://hub.example/objects/1";
  EXPECT_TRUE(had_credential());
}

}  // namespace
}  // namespace hubrev::testing
