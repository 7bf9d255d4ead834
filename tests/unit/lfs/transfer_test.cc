// One file through upload_files(): retries, expiry, multipart, verify.
#include "tests/unit/lfs/lfs_fixture.h"

namespace hubrev {
namespace {

using nlohmann::json;
using testing::respond;
using testing::SeenRequest;

class Transfer : public testing::LfsTest {
 protected:
  const std::string bytes_ = "0123456789";
  const std::string put_ = put_key(bytes_);

  Result<std::vector<LfsObject>> send() { return upload({file("model.bin", bytes_)}); }

  void expect_error(ErrorKind kind, const std::string& words) {
    const auto sent = send();
    ASSERT_FALSE(sent.ok());
    EXPECT_EQ(sent.error().kind, kind) << sent.error().message;
    EXPECT_NE(sent.error().message.find(words), std::string::npos) << sent.error().message;
    EXPECT_NE(sent.error().message.find("model.bin"), std::string::npos) << sent.error().message;
  }
  // Each upload comes as parts of `chunk` bytes at https://parts.example/<n>.
  void make_multipart(std::uint64_t chunk) {
    json header = {{"chunk_size", std::to_string(chunk)}};
    for (std::uint64_t i = 0; i * chunk < bytes_.size(); ++i) {
      header["0000" + std::to_string(i + 1)] = part_url(i + 1);
      for (int k = 0; k < 9; ++k) {
        lfs_.scripted["PUT " + part_url(i + 1)].push_back(
            respond(200, "", {{"etag", "\"e" + std::to_string(i + 1) + "\""}}));
      }
    }
    lfs_.upload_extra = {{"href", "https://hub.example/complete"}, {"header", header}};
    script("POST https://hub.example/complete", 1, respond(200));
  }
  static std::string part_url(std::uint64_t number) {
    return "https://parts.example/" + std::to_string(number);
  }
};

TEST_F(Transfer, PutsTheBytesWithTheGivenHeadersAndNoCredential) {
  ASSERT_TRUE(send().ok());
  const SeenRequest put = http_.seen().at(1);
  EXPECT_EQ(put.method, "PUT");
  EXPECT_EQ(put.body, bytes_);
  EXPECT_EQ(put.headers, (HttpHeaders{{"x-signed", "yes"}}));
  EXPECT_FALSE(put.authorized);
  EXPECT_EQ(progress_.bytes_sent, bytes_.size());
  EXPECT_EQ(progress_.bytes_hashed, bytes_.size());
  EXPECT_EQ(progress_.bytes_present, 0u);
}

TEST_F(Transfer, SendsNothingThatIsThere) {
  lfs_.stored[sha256(bytes_).hex()] = bytes_;
  lfs_.wants_verify = true;
  const auto sent = send();
  ASSERT_TRUE(sent.ok());
  EXPECT_EQ(sent->at(0).oid, sha256(bytes_));
  EXPECT_EQ(http_.seen().size(), 1u);
  EXPECT_EQ(progress_.bytes_sent, 0u);
  EXPECT_EQ(progress_.bytes_present, bytes_.size());
}

TEST_F(Transfer, EachCallSurvivesTransientsAndStopsAtTheLastRetry) {
  const Result<HttpResponse> transients[] = {respond(500),
                                             respond(503),
                                             respond(429),
                                             respond(408),
                                             make_error(ErrorKind::kNetwork, "reset"),
                                             make_error(ErrorKind::kTimeout, "stalled")};
  lfs_.wants_verify = true;
  for (const std::string& key : {batch_key(), put_, verify_key()}) {
    for (const auto& transient : transients) {
      lfs_.stored.clear();
      const int before = count(key);
      script(key, 3, transient);
      EXPECT_TRUE(send().ok()) << key;
      EXPECT_EQ(count(key) - before, 4) << key;

      lfs_.stored.clear();
      script(key, 4, transient);
      expect_error(
          transient.ok() ? error_from_response(*transient, "").kind : transient.error().kind,
          "gave up after 4 attempts");
      EXPECT_EQ(count(key) - before, 8) << key;
    }
  }
}

TEST_F(Transfer, EachCallStopsAtOnceForWhatIsPermanent) {
  lfs_.wants_verify = true;
  for (const std::string& key : {batch_key(), put_, verify_key()}) {
    for (const int status : {400, 404, 413, 422, 501, 507}) {
      lfs_.stored.clear();
      const int before = count(key);
      script(key, 1, respond(status, R"({"message":"the server's words"})"));
      const auto sent = send();
      ASSERT_FALSE(sent.ok()) << key << status;
      EXPECT_FALSE(retryable(sent.error().kind));
      EXPECT_NE(sent.error().message.find("the server's words"), std::string::npos);
      EXPECT_NE(sent.error().message.find("model.bin"), std::string::npos);
      EXPECT_EQ(count(key) - before, 1) << key << status;
    }
  }
  EXPECT_TRUE(clock_.sleeps().empty());
}

TEST_F(Transfer, VerifyRefusedIsAnError) {
  lfs_.wants_verify = true;
  script(verify_key(), 1, respond(403, R"({"message":"not yours"})"));
  expect_error(ErrorKind::kAuth, "verifying model.bin: the server answered 403: not yours");
  EXPECT_EQ(count(put_), 1) << "a verify's 403 is no expired address";
}

TEST_F(Transfer, AnAddressThatTheStoreRefusesIsAskedForAgain) {
  script(put_, 2, respond(403, "<Error>Request has expired</Error>"));
  ASSERT_TRUE(send().ok());
  EXPECT_EQ(count(batch_key()), 3);
  EXPECT_TRUE(http_.seen().back().url.ends_with("?try=3")) << "the newest address";
  EXPECT_EQ(progress_.bytes_sent, 3 * bytes_.size());
}

TEST_F(Transfer, ButNotForEver) {
  script(put_, 99, respond(403, R"({"message":"never"})"));
  expect_error(ErrorKind::kAuth, "never");
  EXPECT_EQ(count(put_), 4);
  EXPECT_EQ(count(batch_key()), 4);
}

TEST_F(Transfer, AnObjectThatSomebodyStoredMeanwhileIsPresent) {
  const std::string oid = sha256(bytes_).hex();
  const json upload = {{"href", testing::FakeLfs::kStore + oid}, {"expires_in", 1}};
  script(
      batch_key(), 1,
      respond(200, json{{"objects", {{{"oid", oid}, {"actions", {{"upload", upload}}}}}}}.dump()));
  script(batch_key(), 1, respond(200, json{{"objects", {{{"oid", oid}}}}}.dump()));
  ASSERT_TRUE(send().ok());
  EXPECT_EQ(count(put_), 0);
  EXPECT_EQ(progress_.bytes_present, bytes_.size());
}

TEST_F(Transfer, AnExpiredAddressIsNotUsed) {
  lfs_.upload_extra = {{"expires_in", 900}};
  ASSERT_TRUE(upload({file("first", "aaaa"), file("second", "bb")}).ok());
  EXPECT_EQ(count(batch_key()), 1);

  // The first PUT keeps failing until the second object's address has expired.
  lfs_.stored.clear();
  Error pause = make_error(ErrorKind::kRateLimited, "slow down");
  pause.retry_after = std::chrono::seconds(900);
  script(put_key("aaaa"), 1, pause);
  ASSERT_TRUE(upload({file("first", "aaaa"), file("second", "bb")}).ok());
  EXPECT_EQ(count(batch_key()), 3);
  EXPECT_EQ(count(put_key("bb")), 2) << "once in each upload";
}

TEST_F(Transfer, OurClockMayBeWrong) {
  lfs_.upload_extra = {{"expires_at", "1999-01-01T00:00:00Z"}};
  ASSERT_TRUE(send().ok());
  EXPECT_EQ(count(batch_key()), 4);
  EXPECT_EQ(count(put_), 1);
}

TEST_F(Transfer, AZeroTimeIsNoExpiry) {
  lfs_.upload_extra = {{"expires_at", "0001-01-01T00:00:00Z"}};
  ASSERT_TRUE(send().ok());
  EXPECT_EQ(count(batch_key()), 1);
}

TEST_F(Transfer, AnErrorOfTheObjectAloneIsRetriedWhereThatHelps) {
  const auto answer = [&](int code) {
    const json error = {{"code", code}, {"message", "about this one"}};
    return respond(200,
                   json{{"objects", {{{"oid", sha256(bytes_).hex()}, {"error", error}}}}}.dump());
  };
  script(batch_key(), 2, answer(503));
  script(batch_key(), 1, answer(429));
  EXPECT_TRUE(send().ok());
  EXPECT_EQ(count(batch_key()), 4);
  EXPECT_EQ(clock_.sleeps().size(), 3u) << "a pause before every attempt but the first";

  lfs_.stored.clear();
  script(batch_key(), 4, answer(500));
  expect_error(ErrorKind::kServer, "about this one (gave up after 4 attempts)");

  for (const int code : {404, 410, 422}) {
    const int before = count(batch_key());
    script(batch_key(), 1, answer(code));
    expect_error(code == 422 ? ErrorKind::kRejected : ErrorKind::kNotFound, "about this one");
    EXPECT_EQ(count(batch_key()) - before, 1) << code;
  }
}

TEST_F(Transfer, MultipartSendsSlicesAndListsTheirEtags) {
  make_multipart(4);
  lfs_.wants_verify = true;
  script(verify_key(), 1, respond(200));
  ASSERT_TRUE(send().ok());
  const auto seen = http_.seen();
  ASSERT_EQ(seen.size(), 6u);
  const std::string slices[] = {"0123", "4567", "89"};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(seen[i + 1].url, part_url(i + 1));
    EXPECT_EQ(seen[i + 1].body, slices[i]);
    EXPECT_TRUE(seen[i + 1].headers.empty());
    EXPECT_FALSE(seen[i + 1].authorized);
  }
  EXPECT_EQ(json::parse(seen[4].body)["parts"], (json{{{"partNumber", 1}, {"etag", "\"e1\""}},
                                                      {{"partNumber", 2}, {"etag", "\"e2\""}},
                                                      {{"partNumber", 3}, {"etag", "\"e3\""}}}));
  EXPECT_FALSE(seen[4].authorized);
  EXPECT_EQ(seen[5].method + " " + seen[5].url, verify_key());
  EXPECT_EQ(progress_.bytes_sent, bytes_.size());
}

TEST_F(Transfer, MultipartBeginsAgainWhenAPartsAddressIsRefused) {
  make_multipart(4);
  lfs_.scripted["PUT " + part_url(2)].push_front(respond(403));
  ASSERT_TRUE(send().ok());
  EXPECT_EQ(count("PUT " + part_url(1)), 2);
  EXPECT_EQ(count("PUT " + part_url(2)), 2);
  EXPECT_EQ(count("PUT " + part_url(3)), 1);
  EXPECT_EQ(count(batch_key()), 2);
}

TEST_F(Transfer, MultipartRetriesPartsAndCompletion) {
  make_multipart(4);
  lfs_.scripted["PUT " + part_url(3)].push_front(respond(500));
  lfs_.scripted["POST https://hub.example/complete"].push_front(respond(502));
  ASSERT_TRUE(send().ok());
  EXPECT_EQ(count("PUT " + part_url(1)), 1);
  EXPECT_EQ(count("PUT " + part_url(3)), 2);
  EXPECT_EQ(count("POST https://hub.example/complete"), 2);
}

TEST_F(Transfer, MultipartFailures) {
  make_multipart(4);
  lfs_.scripted["PUT " + part_url(2)].push_front(respond(200));
  expect_error(ErrorKind::kRejected, "no ETag for part 2");
  lfs_.scripted["POST https://hub.example/complete"].push_front(
      respond(400, R"({"message":"bad parts"})"));
  expect_error(ErrorKind::kRejected, "bad parts");
  lfs_.upload_extra["header"].erase("00003");
  expect_error(ErrorKind::kRejected, "2 part addresses for 3 parts of 4 bytes");
}

TEST_F(Transfer, NoSecretStandsInAMessage) {
  script(put_, 1, respond(400));
  const auto sent = send();
  ASSERT_FALSE(sent.ok());
  EXPECT_EQ(sent.error().message.find("try="), std::string::npos)
      << "the address carries a signature";
  EXPECT_EQ(sent.error().message.find("token"), std::string::npos);
}

}  // namespace
}  // namespace hubrev
