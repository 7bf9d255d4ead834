#include "plugin/net/rate_limit.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/support/fake_http.h"

namespace hubrev {
namespace {

using std::chrono::seconds;
using testing::respond;

HttpResponse telling(std::string limit, std::string policy = "") {
  return respond(200, "",
                 {{"ratelimit", std::move(limit)}, {"ratelimit-policy", std::move(policy)}});
}

TEST(Quotas, AreReadAsTheHubWritesThem) {
  const auto quotas =
      quotas_from_headers(telling(R"("api";r=487;t=121)", R"("fixed window";"api";q=500;w=300)"));
  ASSERT_EQ(quotas.size(), 1u);
  EXPECT_EQ(quotas[0].name, R"("api")");
  EXPECT_EQ(quotas[0].left, 487);
  EXPECT_EQ(quotas[0].reset, seconds(121));
  EXPECT_EQ(quotas[0].size, 500);
}

TEST(Quotas, EachTakesItsOwnPolicy) {
  const auto quotas =
      quotas_from_headers(telling(R"("day";r=90;t=4000, "a,b;c" ; r=1 ; t=2)",
                                  R"("a,b;c";q=10;w=5, "day";q=1000;w=86400, "other";q=7)"));
  ASSERT_EQ(quotas.size(), 2u);
  EXPECT_EQ(quotas[0].size, 1000);
  EXPECT_EQ(quotas[1].name, R"("a,b;c")");
  EXPECT_EQ(quotas[1].left, 1);
  EXPECT_EQ(quotas[1].reset, seconds(2));
  EXPECT_EQ(quotas[1].size, 10);
}

TEST(Quotas, WhatIsMalformedIsLeftOut) {
  for (const char* limit : {"", ";", ",", "\"api\"", "\"api\";r=;t=5", "\"api\";r=-1;t=5",
                            "\"api\";r=1.5;t=5", "\"api\";r=0x10", "r", "=5", "\"api;r=5;t=5"}) {
    EXPECT_TRUE(quotas_from_headers(telling(limit)).empty()) << limit;
  }
  const auto quotas = quotas_from_headers(telling("\"api\";r=5;t=-3", "\"api\";q=many"));
  ASSERT_EQ(quotas.size(), 1u);
  EXPECT_FALSE(quotas[0].reset);
  EXPECT_FALSE(quotas[0].size);
}

TEST(Quotas, AbsurdNumbersStayBounded) {
  const auto quotas = quotas_from_headers(
      telling("\"api\";r=99999999999999999999999;t=9223372036854775807", "\"api\";q=9999999999"));
  ASSERT_EQ(quotas.size(), 1u);
  EXPECT_EQ(quotas[0].left, 1'000'000'000);
  EXPECT_EQ(quotas[0].reset, seconds(1'000'000'000));
  EXPECT_EQ(quotas[0].size, 1'000'000'000);
}

TEST(Quotas, NoHeaderGetsMoreThanSixteen) {
  std::string limit;
  for (int i = 0; i < 1000; ++i) limit += "\"" + std::to_string(i) + "\";r=1;t=1,";
  EXPECT_EQ(quotas_from_headers(telling(limit)).size(), 16u);
}

TEST(Quotas, AnyBytesAreRead) {
  constexpr std::string_view kPieces[] = {
      "\"", ";", ",",  "=",  "r=",      "t=",  "q=",   "0",      "9",
      "-",  " ", "\t", "\\", "\"api\"", "1e9", "\xff", "r=0;t=5"};
  std::mt19937 random(11);
  const auto garbage = [&] {
    std::string text;
    for (auto pieces = random() % 40; pieces > 0; --pieces) {
      text += kPieces[random() % std::size(kPieces)];
    }
    return text;
  };
  for (int i = 0; i < 20'000; ++i) {
    HttpResponse response = telling(garbage(), garbage());
    response.status = 429;
    for (const RequestQuota& quota : quotas_from_headers(response)) {
      EXPECT_GE(quota.left, 0);
      EXPECT_GE(quota.reset.value_or(seconds(0)), seconds(0));
      EXPECT_GE(quota.size.value_or(0), 0);
    }
    EXPECT_GT(pause_from_headers(response), seconds(0)) << response.header("ratelimit");
  }
}

TEST(Pause, IsThatOfTheEmptyQuotas) {
  HttpResponse response = telling(R"("day";r=90;t=4000, "api";r=0;t=20, "burst";r=0;t=2)");
  response.status = 429;
  EXPECT_EQ(pause_from_headers(response), seconds(21));
}

}  // namespace
}  // namespace hubrev
