#include "plugin/lfs/batch_answer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "plugin/base/sha256.h"

namespace hubrev {
namespace {

using nlohmann::json;

constexpr std::int64_t kNow = 1'700'000'000'000;

const Sha256 kOidA = sha256("a");
const Sha256 kOidB = sha256("b");

LfsServer server_at(std::string endpoint = "https://hub.example") {
  return {"https://hub.example/o/m.git/info/lfs",
          {AuthScheme::kBearer, Secret("t")},
          "refs/heads/step-1",
          std::move(endpoint)};
}

Result<std::vector<UploadOffer>> parse(const json& answer,
                                       std::vector<LfsPointer> objects = {{kOidA, 10}},
                                       const LfsServer& server = server_at()) {
  return parse_batch_answer(answer.is_string() ? answer.get<std::string>() : answer.dump(), server,
                            objects, "uploading a", kNow);
}

json answer_with(const json& upload) {
  return {{"objects", {{{"oid", kOidA.hex()}, {"size", 10}, {"actions", {{"upload", upload}}}}}}};
}

TEST(BatchRequest, OffersWhatIsSpoken) {
  EXPECT_EQ(json::parse(batch_request_body(server_at(), {{kOidA, 10}, {kOidB, 7}})),
            (json{{"operation", "upload"},
                  {"transfers", {"basic", "multipart"}},
                  {"hash_algo", "sha256"},
                  {"ref", {{"name", "refs/heads/step-1"}}},
                  {"objects",
                   {{{"oid", kOidA.hex()}, {"size", 10}}, {{"oid", kOidB.hex()}, {"size", 7}}}}}));
}

TEST(BatchAnswer, MatchesObjectsByOidInAnyOrder) {
  const json answer = {
      {"objects",
       {{{"oid", kOidB.hex()}, {"size", 7}},
        {{"oid", kOidA.hex()},
         {"actions",
          {{"upload",
            {{"href", "https://s3/a?sig=1"}, {"header", {{"x-amz-acl", "private"}, {"n", 5}}}}},
           {"verify", {{"href", "https://hub.example/verify"}}}}}}}}};
  const auto offers = parse(answer, {{kOidA, 10}, {kOidB, 7}});
  ASSERT_TRUE(offers.ok()) << offers.error().message;
  const UploadOffer& a = offers->at(0);
  ASSERT_TRUE(a.upload && a.verify);
  EXPECT_EQ(a.upload->href, "https://s3/a?sig=1");
  EXPECT_EQ(a.upload->headers, (HttpHeaders{{"n", "5"}, {"x-amz-acl", "private"}}));
  EXPECT_FALSE(a.upload->expires_ms);
  EXPECT_EQ(a.verify->href, "https://hub.example/verify");
  const UploadOffer& b = offers->at(1);
  EXPECT_FALSE(b.upload || b.verify || b.error || b.multipart);
}

TEST(BatchAnswer, ExpiryInBothForms) {
  struct Row {
    json extra;
    std::optional<std::int64_t> expected;
  };
  const Row rows[] = {
      {json::object(), {}},
      {{{"expires_in", 900}}, kNow + 900'000},
      {{{"expires_in", 0}}, {}},
      {{{"expires_in", -5}}, {}},
      {{{"expires_in", 1e300}}, {}},
      {{{"expires_in", "900"}}, {}},
      {{{"expires_at", "2023-11-14T22:13:20Z"}}, kNow},
      {{{"expires_at", "0001-01-01T00:00:00Z"}}, {}},
      {{{"expires_at", "soon"}}, {}},
      {{{"expires_at", 7}}, {}},
      {{{"expires_in", 60}, {"expires_at", "2016-11-10T15:29:07Z"}}, kNow + 60'000},
  };
  for (const Row& row : rows) {
    json upload = {{"href", "https://s3/a"}};
    upload.update(row.extra);
    const auto offers = parse(answer_with(upload));
    ASSERT_TRUE(offers.ok()) << row.extra;
    EXPECT_EQ(offers->at(0).upload->expires_ms, row.expected) << row.extra;
  }
}

TEST(Rfc3339, ReadsTimes) {
  struct Row {
    const char* text;
    std::optional<std::int64_t> expected;
  };
  const Row rows[] = {
      {"1970-01-01T00:00:00Z", 0},
      {"2023-11-14T22:13:20Z", kNow},
      {"2023-11-14T22:13:20.987654321Z", kNow},
      {"2023-11-15T00:13:20+02:00", kNow},
      {"2023-11-14T14:13:20.5-08:00", kNow},
      {"2024-02-29T00:00:00Z", 1'709'164'800'000},
      {"2023-02-29T00:00:00Z", {}},
      {"2023-13-01T00:00:00Z", {}},
      {"2023-11-14T25:13:20Z", {}},
      {"2023-11-14T22:13:20", {}},
      {"2023-11-14T22:13:20 Z", {}},
      {"2023-11-14T22:13:20+0200", {}},
      {"20231114T221320Z", {}},
      {"-023-11-14T22:13:20Z", {}},
      {"", {}},
  };
  for (const Row& row : rows) EXPECT_EQ(parse_rfc3339(row.text), row.expected) << row.text;
}

TEST(BatchAnswer, AddressesOfTheHubLeadToTheMirror) {
  struct Row {
    const char* href;
    const char* endpoint;
    const char* expected;
  };
  const Row rows[] = {
      {"https://huggingface.co/a/b?c", "https://mirror", "https://mirror/a/b?c"},
      {"https://hub-ci.huggingface.co/a", "https://mirror/hf", "https://mirror/hf/a"},
      {"https://huggingface.co/a", "https://huggingface.co", "https://huggingface.co/a"},
      {"https://huggingface.co.evil/a", "https://mirror", "https://huggingface.co.evil/a"},
      {"https://s3.example/a", "https://mirror", "https://s3.example/a"},
  };
  for (const Row& row : rows) {
    const auto offers =
        parse(answer_with({{"href", row.href}}), {{kOidA, 10}}, server_at(row.endpoint));
    ASSERT_TRUE(offers.ok());
    EXPECT_EQ(offers->at(0).upload->href, row.expected);
  }
}

TEST(BatchAnswer, MultipartHasOneAddressPerPartInNumericOrder) {
  json header = {{"chunk_size", "4"}};
  header["00002"] = "https://s3/2";
  header["00003"] = "https://huggingface.co/3";
  header["00001"] = "https://s3/1";
  const auto offers =
      parse(answer_with({{"href", "https://hub.example/complete"}, {"header", header}}));
  ASSERT_TRUE(offers.ok()) << offers.error().message;
  const auto& multipart = offers->at(0).multipart;
  ASSERT_TRUE(multipart);
  EXPECT_EQ(multipart->chunk_size, 4u);
  EXPECT_EQ(multipart->part_urls,
            (std::vector<std::string>{"https://s3/1", "https://s3/2", "https://hub.example/3"}));
}

TEST(BatchAnswer, MultipartWithoutSenseIsRefused) {
  const json headers[] = {
      {{"chunk_size", "4"}, {"1", "https://s/1"}, {"2", "https://s/2"}},  // 3 parts needed
      {{"chunk_size", "10"}, {"1", "https://s/1"}, {"2", "https://s/2"}},
      {{"chunk_size", "0"}, {"1", "https://s/1"}},
      {{"chunk_size", "-4"}, {"1", "https://s/1"}},
      {{"chunk_size", "many"}, {"1", "https://s/1"}},
      {{"chunk_size", "99999999999999999999"}, {"1", "https://s/1"}},
      {{"chunk_size", "1"}},
      {{"chunk_size", "10"}, {"1", "ftp://s/1"}},
  };
  for (const json& header : headers) {
    const auto offers = parse(answer_with({{"href", "https://h/c"}, {"header", header}}));
    ASSERT_FALSE(offers.ok()) << header;
    EXPECT_EQ(offers.error().kind, ErrorKind::kRejected);
  }
}

TEST(BatchAnswer, ErrorsOfOneObjectKeepTheServersWords) {
  struct Row {
    int code;
    ErrorKind kind;
  };
  const Row rows[] = {
      {404, ErrorKind::kNotFound}, {409, ErrorKind::kConflict}, {410, ErrorKind::kNotFound},
      {422, ErrorKind::kRejected}, {403, ErrorKind::kAuth},     {429, ErrorKind::kRateLimited},
      {500, ErrorKind::kServer},   {503, ErrorKind::kServer},   {507, ErrorKind::kRejected},
      {200, ErrorKind::kRejected}, {-1, ErrorKind::kRejected},
  };
  for (const Row& row : rows) {
    const json error = {{"code", row.code}, {"message", "words of the server"}};
    const auto offers = parse({{"objects", {{{"oid", kOidA.hex()}, {"error", error}}}}});
    ASSERT_TRUE(offers.ok());
    ASSERT_TRUE(offers->at(0).error);
    EXPECT_EQ(offers->at(0).error->kind, row.kind) << row.code;
    EXPECT_NE(offers->at(0).error->message.find("words of the server"), std::string::npos);
  }
}

TEST(BatchAnswer, HostileAnswersAreErrors) {
  const std::string oid = kOidA.hex();
  const std::string object = R"({"objects":[{"oid":")" + oid + "\",";
  const std::string rows[] = {
      "",
      "null",
      "[]",
      "{}",
      "<html>",
      "{\"objects\":null}",
      "{\"objects\":{}}",
      "{\"objects\":[]}",
      "{\"objects\":[null,7,\"x\",[]]}",
      "{\"objects\":[{\"oid\":7}]}",
      "{\"objects\":[{\"oid\":\"zz\"}]}",
      "{\"objects\":[{\"oid\":\"" + kOidB.hex() + "\"}]}",
      "{\"transfer\":\"xet\",\"objects\":[{\"oid\":\"" + oid + "\"}]}",
      "{\"hash_algo\":\"sha1\",\"objects\":[{\"oid\":\"" + oid + "\"}]}",
      object + R"("actions":{"upload":{}}}]})",
      object + R"("actions":{"upload":7}}]})",
      object + R"("actions":{"upload":{"href":7}}}]})",
      object + R"("actions":{"upload":{"href":"file:///etc/passwd"}}}]})",
      object + R"("actions":{"upload":{"href":"https://s/a\r\nX: y"}}}]})",
      object + R"("actions":{"upload":{"href":"https://s/a b"}}}]})",
      object + R"("actions":{"upload":{"href":"https://s/a","header":{"X":"a\r\nY: b"}}}}]})",
      object + R"("actions":{"upload":{"href":"https://s/a","header":{"X: y":"a"}}}}]})",
      object + R"("actions":{"upload":{"href":"https://s/a","header":{"X\n":"a"}}}}]})",
      object + R"("actions":{"upload":{"href":"https://s/a","header":{"X":[1]}}}}]})",
      object + R"("actions":{"upload":{"href":"https://s/a","header":["x"]}}}]})",
      object + R"("actions":{"upload":{"href":"https://s/a"},"verify":{"href":""}}}]})",
      std::string(200'000, '['),
      object + R"("x":)" + std::string(100'000, '[') + std::string(100'000, ']') + "}",
  };
  for (const std::string& row : rows) {
    const auto offers = parse(json(row));
    ASSERT_FALSE(offers.ok()) << row.substr(0, 200);
    EXPECT_EQ(offers.error().kind, ErrorKind::kRejected) << row.substr(0, 200);
    EXPECT_TRUE(offers.error().message.starts_with("uploading a: ")) << offers.error().message;
  }
}

TEST(BatchAnswer, OddButHarmlessAnswersAreUnderstood) {
  const std::string oid = kOidA.hex();
  const std::string rows[] = {
      "{\"objects\":[{\"oid\":\"" + oid + "\",\"actions\":null}]}",
      "{\"objects\":[{\"oid\":\"" + oid + "\",\"actions\":{}}]}",
      "{\"objects\":[{\"oid\":\"" + oid + "\",\"actions\":[]}]}",
      "{\"objects\":[{\"oid\":\"" + oid + "\",\"error\":null}]}",
      "{\"transfer\":\"\",\"hash_algo\":\"\",\"objects\":[{\"oid\":\"" + oid + "\"}]}",
      "{\"transfer\":7,\"objects\":[null,{\"oid\":\"" + oid + "\"}]}",
  };
  for (const std::string& row : rows) {
    const auto offers = parse(json(row));
    ASSERT_TRUE(offers.ok()) << row << offers.error().message;
    EXPECT_FALSE(offers->at(0).upload) << row;
  }
}

}  // namespace
}  // namespace hubrev
