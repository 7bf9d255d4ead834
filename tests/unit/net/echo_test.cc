#include "plugin/net/echo.h"

#include <gtest/gtest.h>

#include <string>

namespace hubrev {
namespace {

constexpr const char* kToken = "hf_abcdefghijklmnopqrstuvwxyz012345";

TEST(Echo, BlanksTheTokenInHeadersAndBody) {
  HttpResponse response;
  response.headers = {{"x-request-id", std::string("Bearer ") + kToken}, {"etag", "\"1\""}};
  response.body = std::string(kToken) + " and " + kToken + ".";
  blank_echoes(response, {AuthScheme::kBearer, Secret(kToken)});
  EXPECT_EQ(response.headers[0].second, "Bearer " + std::string(35, '*'));
  EXPECT_EQ(response.headers[1].second, "\"1\"");
  EXPECT_EQ(response.body, std::string(35, '*') + " and " + std::string(35, '*') + ".");
}

TEST(Echo, BlanksWhatBasicCarriesWithAndWithoutItsPadding) {
  const std::string basic = basic_value("hf_user", Secret(kToken));
  ASSERT_TRUE(basic.ends_with('='));
  const std::string unpadded = basic.substr(0, basic.find('='));
  HttpResponse response;
  response.body = basic + " " + unpadded;
  blank_echoes(response, {AuthScheme::kBearer, Secret(kToken)});
  EXPECT_EQ(response.body.find(unpadded), std::string::npos);
  EXPECT_EQ(response.body.size(), basic.size() + 1 + unpadded.size());
}

TEST(Echo, LeavesTheDataOfASuccessAlone) {
  HttpResponse response;
  response.status = 200;
  response.headers = {{"content-type", "application/vnd.git-lfs+json"}};
  response.body = std::string("{\"Authorization\": \"Bearer ") + kToken + "\"}";
  const std::string before = response.body;
  blank_echoes(response, {AuthScheme::kBearer, Secret(kToken)});
  EXPECT_EQ(response.body, before);
  response.status = 403;
  blank_echoes(response, {AuthScheme::kBearer, Secret(kToken)});
  EXPECT_EQ(response.body.find(kToken), std::string::npos);
}

TEST(Echo, LeavesAnswersAloneWithoutAToken) {
  HttpResponse response;
  response.body = "hf_user: words";
  blank_echoes(response, {AuthScheme::kBearer, Secret()});
  blank_echoes(response, {AuthScheme::kBearer, Secret("words")});
  EXPECT_EQ(response.body, "hf_user: words");
}

}  // namespace
}  // namespace hubrev
