// What LFS servers other than the Hub's do differently. Sources: Gitea's services/lfs, giftless'
// view.py, hfd's pkg/backend/lfs; git-lfs' docs/api says what is allowed.
#include "tests/unit/lfs/lfs_fixture.h"

namespace hubrev {
namespace {

using nlohmann::json;
using testing::FakeLfs;
using testing::respond;
using testing::SeenRequest;

class OtherServers : public testing::LfsTest {
 protected:
  const std::string bytes_ = "0123456789";
  const std::string own_ = std::string(FakeLfs::kServer) + "/objects/" + sha256(bytes_).hex();

  // One answer to the next batch, which gives `upload` for the file; `extra` goes beside its oid.
  void offer(json upload, const json& extra = json::object()) {
    json object = {{"oid", sha256(bytes_).hex()}, {"size", bytes_.size()}};
    object.update(extra);
    object["actions"] = {{"upload", std::move(upload)}};
    lfs_.scripted[batch_key()].push_back(
        respond(200, json{{"objects", {object}}}.dump(), {{"content-type", "application/json"}}));
  }
  Result<std::vector<LfsObject>> send() { return upload({file("model.bin", bytes_)}); }
};

// No "transfer", no "hash_algo", plain JSON, "never" as a zero time, and the server's own
// Authorization for the object, which is sent as it is and with no second one.
TEST_F(OtherServers, GiveHeadersForEachObjectAndAZeroTime) {
  offer({{"href", own_},
         {"header", {{"Authorization", "Bearer of-the-server"}}},
         {"expires_at", "0001-01-01T00:00:00Z"}});
  lfs_.scripted["PUT " + own_].push_back(respond(200));
  ASSERT_TRUE(send().ok());
  const SeenRequest put = http_.seen().at(1);
  EXPECT_EQ(put.headers, (HttpHeaders{{"Authorization", "Bearer of-the-server"}}));
  EXPECT_FALSE(put.authorized);
  EXPECT_EQ(http_.seen().size(), 2u) << "nothing to verify, no locks to ask for";
}

// Without "authenticated", whoever has the token is to prove it again: to that server alone.
TEST_F(OtherServers, WantTheTokenForTheirOwnObjects) {
  struct Row {
    const char* name;
    json upload;
    json extra;
    bool authorized;
  };
  const Row rows[] = {
      {"bare", {{"href", own_}}, json::object(), true},
      {"said to be false", {{"href", own_}}, {{"authenticated", false}}, true},
      {"authenticated", {{"href", own_}}, {{"authenticated", true}}, false},
      {"signed", {{"href", own_ + "?signature=x"}}, json::object(), false},
      {"elsewhere", {{"href", "https://store.example/x"}}, json::object(), false},
      {"unencrypted", {{"href", "http" + own_.substr(5)}}, json::object(), false},
  };
  for (const Row& row : rows) {
    offer(row.upload, row.extra);
    const std::string href = row.upload["href"];
    lfs_.scripted["PUT " + href.substr(0, href.find('?'))].push_back(respond(200));
    ASSERT_TRUE(send().ok()) << row.name;
    EXPECT_EQ(http_.seen().back().method, "PUT");
    EXPECT_EQ(http_.seen().back().authorized, row.authorized) << row.name;
  }
}

TEST_F(OtherServers, RefuseWhatIsLargerThanTheirLimit) {
  offer({{"href", own_}});
  lfs_.scripted["PUT " + own_].push_back(
      respond(413, "<html><h1>413 Request Entity Too Large</h1></html>"));
  const auto sent = send();
  ASSERT_FALSE(sent.ok());
  EXPECT_EQ(sent.error().kind, ErrorKind::kRejected);
  EXPECT_NE(sent.error().message.find("model.bin"), std::string::npos) << sent.error().message;
  EXPECT_NE(sent.error().message.find("413"), std::string::npos) << sent.error().message;
  EXPECT_EQ(http_.seen().size(), 2u) << "no retry helps";
}

TEST_F(OtherServers, ARelativeAddressIsNone) {
  offer({{"href", "/o/m.git/info/lfs/objects/x"}});
  const auto sent = send();
  ASSERT_FALSE(sent.ok());
  EXPECT_NE(sent.error().message.find("no usable address"), std::string::npos);
}

}  // namespace
}  // namespace hubrev
