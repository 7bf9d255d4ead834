#include "plugin/net/http.h"

#include <gtest/gtest.h>

#include "plugin/net/retry.h"

namespace hubrev {
namespace {

HttpResponse answer(int status, HttpHeaders headers, std::string body) {
  HttpResponse response;
  response.status = status;
  response.headers = std::move(headers);
  response.body = std::move(body);
  return response;
}

TEST(ErrorFromResponse, KindFollowsTheStatus) {
  const std::pair<int, ErrorKind> rows[] = {
      {400, ErrorKind::kRejected},    {401, ErrorKind::kAuth},     {403, ErrorKind::kAuth},
      {404, ErrorKind::kNotFound},    {408, ErrorKind::kServer},   {409, ErrorKind::kConflict},
      {412, ErrorKind::kConflict},    {413, ErrorKind::kRejected}, {422, ErrorKind::kRejected},
      {429, ErrorKind::kRateLimited}, {500, ErrorKind::kServer},   {501, ErrorKind::kRejected},
      {502, ErrorKind::kServer},      {503, ErrorKind::kServer},   {504, ErrorKind::kServer},
      {507, ErrorKind::kRejected},
  };
  for (const auto& [status, kind] : rows) {
    EXPECT_EQ(error_from_response(answer(status, {}, ""), "x").kind, kind) << status;
  }
}

TEST(ErrorFromResponse, ShowsTheServersWords) {
  const std::pair<const char*, const char*> rows[] = {
      {R"({"error":"bad name"})", "bad name"},
      {R"({"error":["a","b"]})", "a; b"},
      {R"({"error":"e","error_description":"d"})", "e; d"},
      {R"({"errors":[{"message":"m1"},{"message":"m2"}]})", "m1; m2"},
      {R"({"message":"quota"})", "quota"},
      {"plain words\n", "plain words"},
  };
  for (const auto& [body, text] : rows) {
    const Error error = error_from_response(answer(400, {}, body), "doing");
    EXPECT_EQ(error.message, std::string("doing: the server answered 400: ") + text);
  }
  EXPECT_EQ(error_from_response(answer(502, {}, "<html>gateway</html>"), "doing").message,
            "doing: the server answered 502");
}

TEST(ErrorFromResponse, ReadsTheXmlOfAnObjectStore) {
  const std::pair<const char*, const char*> rows[] = {
      {"<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code><Message>Request has expired"
       "</Message><Expires>1</Expires></Error>",
       ": AccessDenied: Request has expired"},
      {"<Error><Message>only words</Message></Error>", ": only words"},
      {"<Error><Code>SlowDown</Code></Error>", ": SlowDown"},
      {"<Error></Error>", ""},
      {"<Error><Code>cut", ": cut"},
      {"<html><Message>not an error's</Message></html>", ""},
  };
  for (const auto& [body, text] : rows) {
    EXPECT_EQ(error_from_response(answer(403, {}, body), "doing").message,
              std::string("doing: the server answered 403") + text);
  }
}

TEST(ErrorFromResponse, OfA400TheStoresCodeDecides) {
  const std::pair<const char*, ErrorKind> rows[] = {
      {"<Error><Code>RequestTimeout</Code><Message>m</Message></Error>", ErrorKind::kServer},
      {"<Error><Code>ExpiredToken</Code><Message>m</Message></Error>", ErrorKind::kAuth},
      {"<Error><Code>BadDigest</Code></Error>", ErrorKind::kRejected},
      {"<Code>RequestTimeout</Code>", ErrorKind::kRejected},
      {"{\"error\": \"RequestTimeout\"}", ErrorKind::kRejected},
  };
  for (const auto& [body, kind] : rows) {
    EXPECT_EQ(error_from_response(answer(400, {}, body), "x").kind, kind) << body;
  }
  EXPECT_EQ(error_from_response(answer(403, {}, rows[0].first), "x").kind, ErrorKind::kAuth);
}

TEST(ErrorFromResponse, KeepsRequestIdAndPause) {
  const Error empty_bucket = error_from_response(
      answer(429, {{"ratelimit", "\"api\";r=0;t=55"}, {"x-request-id", "abc"}}, ""), "x");
  EXPECT_EQ(empty_bucket.retry_after, std::chrono::seconds(56));
  EXPECT_EQ(empty_bucket.request_id, "abc");
  const Error action_limit = error_from_response(
      answer(429, {{"ratelimit", "\"api\";r=949;t=55"}, {"retry-after", "3600"}}, ""), "x");
  EXPECT_EQ(action_limit.retry_after, std::chrono::seconds(3600));
  const Error date_form =
      error_from_response(answer(503, {{"retry-after", "Fri, 31 Dec 1999 23:59:59 GMT"}}, ""), "x");
  EXPECT_FALSE(date_form.retry_after.has_value());
}

TEST(ErrorFromResponse, A429AlwaysHasAPause) {
  struct Row {
    HttpHeaders headers;
    std::chrono::milliseconds pause;
  };
  const Row rows[] = {
      {{{"ratelimit", "\"api\";r=949;t=55"}}, kActionLimitPause},
      {{}, kActionLimitPause},
      {{{"ratelimit", "\"api\";r=0"}}, kActionLimitPause},
      {{{"ratelimit", "nonsense;r=;t=-1"}}, kActionLimitPause},
      {{{"retry-after", "Fri, 31 Dec 1999 23:59:59 GMT"}}, kActionLimitPause},
      {{{"retry-after", "-5"}}, kActionLimitPause},
      {{{"retry-after", "7"}}, std::chrono::seconds(7)},
      {{{"ratelimit", "\"api\";r=0;t=3"}, {"retry-after", "7"}}, std::chrono::seconds(4)},
  };
  for (const Row& row : rows) {
    const Error error = error_from_response(answer(429, row.headers, ""), "x");
    EXPECT_EQ(error.retry_after, row.pause) << ::testing::PrintToString(row.headers);
  }
  EXPECT_LT(kActionLimitPause, RetryPolicy().max_retry_after) << "it would never be waited for";
  EXPECT_FALSE(error_from_response(answer(503, {}, ""), "x").retry_after);
}

TEST(ErrorFromResponse, AnAbsurdPauseStaysALongOne) {
  for (const char* seconds : {"9223372036854775807", "99999999999999999999999", "2000000000"}) {
    const Error after = error_from_response(answer(429, {{"retry-after", seconds}}, ""), "x");
    EXPECT_GT(after.retry_after, std::chrono::hours(24)) << seconds;
    const Error reset = error_from_response(
        answer(429, {{"ratelimit", std::string("\"api\";r=0;t=") + seconds}}, ""), "x");
    EXPECT_GT(reset.retry_after, std::chrono::hours(24)) << seconds;
  }
}

TEST(BasicValue, IsTheBase64OfUserAndToken) {
  const std::pair<const char*, const char*> rows[] = {
      {"", "aGZfdXNlcjo="},
      {"a", "aGZfdXNlcjph"},
      {"ab", "aGZfdXNlcjphYg=="},
      {"abc", "aGZfdXNlcjphYmM="},
      {"hf_\xFF\xFE?>", "aGZfdXNlcjpoZl///j8+"},
  };
  for (const auto& [token, value] : rows) {
    EXPECT_EQ(basic_value("hf_user", Secret(token)), value);
  }
  EXPECT_EQ(basic_value("ann", Secret("pw")), "YW5uOnB3");
}

TEST(Urls, MessagesNeverShowSecrets) {
  EXPECT_EQ(display_url("https://s3.example/a?X-Amz-Signature=secret#f"), "https://s3.example/a");
  EXPECT_EQ(display_url("https://user:hf_secret@hub.example/a/b"), "https://hub.example/a/b");
}

TEST(Urls, HostsCompare) {
  EXPECT_EQ(url_host("https://Hub.Example:443/a"), "hub.example");
  EXPECT_EQ(url_host("http://127.0.0.1:8080/a?b=c"), "127.0.0.1:8080");
  EXPECT_EQ(url_host("https://user@evil.example/a"), "evil.example");
  EXPECT_EQ(url_host("nonsense"), "");
}

TEST(Urls, SegmentsAreEncodedWhole) {
  EXPECT_EQ(percent_encode("feature/a b#1"), "feature%2Fa%20b%231");
  EXPECT_EQ(percent_encode("step-000000010_x.y~"), "step-000000010_x.y~");
}

}  // namespace
}  // namespace hubrev
