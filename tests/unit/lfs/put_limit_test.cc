// Objects that are too large for one PUT.
#include "tests/unit/lfs/lfs_fixture.h"

namespace hubrev {
namespace {

using nlohmann::json;
using testing::respond;
using testing::SeenRequest;

class PutLimit : public testing::LfsTest {
 protected:
  PutLimit() { context_.max_put_size = 8; }

  int puts() const {
    int puts = 0;
    for (const SeenRequest& one : http_.seen()) puts += one.method == "PUT" ? 1 : 0;
    return puts;
  }
  void expect_refused(const Result<std::vector<LfsObject>>& sent, const std::string& words) {
    ASSERT_FALSE(sent.ok());
    EXPECT_EQ(sent.error().kind, ErrorKind::kInvalidInput) << sent.error().message;
    EXPECT_NE(sent.error().message.find(words), std::string::npos) << sent.error().message;
    EXPECT_NE(sent.error().message.find("transfer_agents"), std::string::npos);
  }

  const std::vector<LfsFile> files_ = {file("optimizer.pt", "0123456789"), file("a.bin", "abc"),
                                       file("b.bin", "bcd")};
};

TEST_F(PutLimit, IsSaidBeforeAnyByteOfAnyFileIsSent) {
  const auto sent = upload(files_);
  expect_refused(sent, "optimizer.pt has 10 bytes");
  EXPECT_NE(sent.error().message.find("at most 8 ('max_put_size')"), std::string::npos);
  EXPECT_NE(sent.error().message.find("\"contents\": \"inference\""), std::string::npos);
  EXPECT_EQ(puts(), 0);
}

TEST_F(PutLimit, OfWeightsIsMendedBySmallerShards) {
  expect_refused(upload({file("model.safetensors", "0123456789")}), "max_shard_size");
}

TEST_F(PutLimit, DoesNotMatterForWhatTheServerHas) {
  lfs_.stored[sha256("0123456789").hex()] = "";
  EXPECT_TRUE(upload(files_).ok());
  EXPECT_EQ(puts(), 2);
}

TEST_F(PutLimit, DoesNotMatterForWhatGoesInParts) {
  lfs_.upload_extra = {{"href", "https://hub.example/complete"}, {"header", {{"chunk_size", "8"}}}};
  for (const char* number : {"1", "2"}) {
    const std::string url = std::string(testing::FakeLfs::kStore) + "part/" + number;
    lfs_.upload_extra["header"][number] = url;
    script("PUT " + url, 1, respond(200, "", {{"etag", "e"}}));
  }
  script("POST https://hub.example/complete", 1, respond(200));
  ASSERT_TRUE(upload({files_[0]}).ok());
  EXPECT_EQ(count(batch_key()), 2) << "asked ahead, and again for fresh addresses";
  EXPECT_EQ(progress_.bytes_sent, 10u);
  EXPECT_EQ(progress_.bytes_hashed, 10u) << "read once to hash it";
}

TEST_F(PutLimit, HoldsAtTheMomentOfSendingToo) {
  // The server has the object when asked ahead, and lacks it afterwards.
  const json there = {{"oid", sha256("0123456789").hex()}, {"size", 10}};
  script(batch_key(), 1, respond(200, json{{"objects", {there}}}.dump()));
  expect_refused(upload({files_[0]}), "optimizer.pt has 10 bytes");
  EXPECT_EQ(puts(), 0);
}

TEST_F(PutLimit, OfAnUnknownServerIsItsAnswerWithTheSameWaysOut) {
  context_.max_put_size.reset();
  script(put_key("0123456789"), 1, respond(413, "too big"));
  const auto sent = upload(files_);
  ASSERT_FALSE(sent.ok());
  EXPECT_EQ(sent.error().http_status, 413);
  EXPECT_NE(sent.error().message.find("optimizer.pt"), std::string::npos);
  EXPECT_NE(sent.error().message.find("transfer_agents"), std::string::npos);
}

TEST_F(PutLimit, TheServersOwnRefusalComesBeforeAnyByteIsSent) {
  const json refused = {{"oid", sha256("0123456789").hex()},
                        {"size", 10},
                        {"error", {{"code", 422}, {"message", "files > 5GB are not enabled"}}}};
  script(batch_key(), 1, respond(200, json{{"objects", {refused}}}.dump()));
  const auto sent = upload(files_);
  ASSERT_FALSE(sent.ok());
  EXPECT_NE(sent.error().message.find("not enabled"), std::string::npos) << sent.error().message;
  EXPECT_NE(sent.error().message.find("transfer_agents"), std::string::npos);
  EXPECT_EQ(puts(), 0);
}

}  // namespace
}  // namespace hubrev
