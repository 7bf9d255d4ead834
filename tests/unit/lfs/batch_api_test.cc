#include "plugin/lfs/batch_api.h"

#include "tests/unit/lfs/lfs_fixture.h"

namespace hubrev {
namespace {

using nlohmann::json;
using testing::FakeHttp;
using testing::respond;
using testing::SeenRequest;

class BatchApi : public testing::LfsTest {
 protected:
  const LfsPointer object_{sha256("a"), 1};

  Result<std::vector<UploadOffer>> ask() {
    return request_uploads(http_, server_, {object_}, "uploading a.bin", 0, stop_.get_token());
  }
  // Whether a verify of that action carries our credential.
  bool authorizes(const LfsAction& action) {
    FakeHttp http([](const SeenRequest&) { return respond(200); });
    EXPECT_TRUE(verify_upload(http, server_, action, object_, "verifying", stop_.get_token()).ok());
    return http.seen().at(0).authorized;
  }
};

TEST_F(BatchApi, SpeaksTheMediaTypeOfLfs) {
  ASSERT_TRUE(ask().ok());
  const SeenRequest seen = http_.seen().at(0);
  EXPECT_EQ(seen.method, "POST");
  EXPECT_EQ(seen.url, "https://hub.example/o/m.git/info/lfs/objects/batch");
  EXPECT_TRUE(seen.authorized);
  EXPECT_EQ(seen.headers, (HttpHeaders{{"Accept", "application/vnd.git-lfs+json"},
                                       {"Content-Type", "application/vnd.git-lfs+json"}}));
}

TEST_F(BatchApi, RefusalsKeepTheServersWordsAndSayWhatToDo) {
  struct Row {
    int status;
    ErrorKind kind;
    const char* advice;
  };
  const Row rows[] = {{401, ErrorKind::kAuth, "check that the token"},
                      {403, ErrorKind::kAuth, "check that the token"},
                      {404, ErrorKind::kNotFound, "does not exist, or its server has no LFS"},
                      {413, ErrorKind::kRejected, "413"},
                      {422, ErrorKind::kRejected, "422"},
                      {507, ErrorKind::kRejected, "507"}};
  for (const Row& row : rows) {
    script(batch_key(), 1, respond(row.status, R"({"message":"words"})"));
    const auto offers = ask();
    ASSERT_FALSE(offers.ok());
    EXPECT_EQ(offers.error().kind, row.kind) << row.status;
    EXPECT_NE(offers.error().message.find("words"), std::string::npos);
    EXPECT_NE(offers.error().message.find(row.advice), std::string::npos) << offers.error().message;
    EXPECT_NE(offers.error().message.find("a.bin"), std::string::npos);
  }
}

TEST_F(BatchApi, TheTokenGoesToTheServersOwnHostOnly) {
  EXPECT_TRUE(authorizes({"https://hub.example/verify", {}, {}}));
  EXPECT_TRUE(authorizes({"https://HUB.example:443/verify", {{"X", "y"}}, {}}));
  EXPECT_FALSE(authorizes({"https://other.example/verify", {}, {}}));
  EXPECT_FALSE(authorizes({"https://hub.example.evil/verify", {}, {}}));
  EXPECT_FALSE(authorizes({"https://hub.example@evil/verify", {}, {}}));
  EXPECT_FALSE(authorizes({"http://hub.example/verify", {}, {}}));
  EXPECT_FALSE(authorizes({"https://hub.example/verify", {{"authorization", "RemoteAuth x"}}, {}}));
}

TEST_F(BatchApi, VerifySendsTheActionsHeaders) {
  FakeHttp http([](const SeenRequest&) { return respond(200); });
  const LfsAction action{"https://hub.example/v", {{"accept", "x/y"}, {"X-Key", "1"}}, {}};
  ASSERT_TRUE(verify_upload(http, server_, action, object_, "verifying", stop_.get_token()).ok());
  const SeenRequest seen = http.seen().at(0);
  EXPECT_EQ(seen.headers, (HttpHeaders{{"accept", "x/y"},
                                       {"X-Key", "1"},
                                       {"Content-Type", "application/vnd.git-lfs+json"}}));
  EXPECT_EQ(json::parse(seen.body), (json{{"oid", object_.oid.hex()}, {"size", 1}}));
}

TEST_F(BatchApi, CompletionListsThePartsWithoutOurCredential) {
  FakeHttp http([](const SeenRequest&) { return respond(200); });
  const LfsAction action{"https://hub.example/c", {{"chunk_size", "4"}, {"1", "https://s/1"}}, {}};
  ASSERT_TRUE(complete_multipart(http, action, object_.oid, {"\"e1\"", "\xFF"}, "uploading",
                                 stop_.get_token())
                  .ok());
  const SeenRequest seen = http.seen().at(0);
  EXPECT_FALSE(seen.authorized);
  EXPECT_EQ(seen.headers.size(), 2u) << "the parts' addresses are no headers";
  const json body = json::parse(seen.body);
  EXPECT_EQ(body["oid"], object_.oid.hex());
  EXPECT_EQ(body["parts"][0], (json{{"partNumber", 1}, {"etag", "\"e1\""}}));
  EXPECT_EQ(body["parts"][1]["partNumber"], 2);
}

}  // namespace
}  // namespace hubrev
