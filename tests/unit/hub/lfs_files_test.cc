#include "plugin/hub/lfs_files.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/hub/hub_fixture.h"

namespace hubrev {
namespace {

using nlohmann::json;
using testing::HubFixture;
using testing::respond;

const std::string kOid(64, 'a');
const std::string kOther(64, 'b');

json file(const std::string& oid, const json& size, const json& pushed) {
  return {{"oid", "64f0"}, {"fileOid", oid}, {"filename", "model.safetensors"},
          {"size", size},  {"ref", "main"},  {"pushedAt", pushed}};
}

class LfsFiles : public HubFixture {
 protected:
  Result<std::optional<std::vector<StoredLfsFile>>> list() {
    return list_lfs_files(hub_, "o/m", token());
  }
  std::vector<StoredLfsFile> listed(const json& items) {
    answer({respond(200, items.dump())});
    auto files = list();
    EXPECT_TRUE(files.ok() && files->has_value());
    return files.ok() && *files ? **files : std::vector<StoredLfsFile>();
  }
};

TEST_F(LfsFiles, AreReadWithTheirDates) {
  const auto files = listed({file(kOid, 7, "2024-02-29T00:00:00.000Z"),
                             file(kOther, 1ull << 40, "2026-01-31T12:00:01Z")});
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[0].oid.hex(), kOid);
  EXPECT_EQ(files[0].size, 7u);
  EXPECT_EQ(files[0].pushed_ms, 1'709'164'800'000);
  EXPECT_EQ(files[1].size, 1ull << 40);
  EXPECT_EQ(files[1].pushed_ms, 1'769'860'801'000);
  EXPECT_EQ(http_.seen()[0].url, "https://hub.example/api/models/o/m/lfs-files");
  EXPECT_TRUE(http_.seen()[0].authorized);
}

TEST_F(LfsFiles, ADateThatIsNotUnderstoodIsNone) {
  for (const json& date :
       {json("yesterday"), json(""), json(1'700'000'000), json(), json("2024-02-30T00:00:00.000Z"),
        json("2024-02-29T24:00:00.000Z"), json("2024-02-29T00:00:00.000+02:00"),
        json("2024-02-29 00:00:00.000Z"), json("20x4-02-29T00:00:00.000Z")}) {
    const auto files = listed(json::array({file(kOid, 1, date)}));
    ASSERT_EQ(files.size(), 1u) << date;
    EXPECT_EQ(files[0].pushed_ms, std::nullopt) << date;
  }
}

TEST_F(LfsFiles, WhatHasNoNameIsLeftOut) {
  json items = {file("short", 1, ""), 3, nullptr, json::object(), file(kOid, -1, "")};
  items.push_back({{"fileOid", 5}});
  const auto files = listed(items);
  ASSERT_EQ(files.size(), 1u);
  EXPECT_EQ(files[0].size, 0u);
}

TEST_F(LfsFiles, PagesAreFollowed) {
  const auto page = [](const std::string& oid, const std::string& link) {
    return respond(200, json::array({file(oid, 1, "")}).dump(),
                   link.empty() ? HttpHeaders() : HttpHeaders{{"link", link}});
  };
  answer({page(kOid, R"(<https://hub.example/api/models/o/m?x>; rel="prev", )"
                     R"(<https://hub.example/api/models/o/m/lfs-files?cursor=2>; rel="next")"),
          page(kOther, "")});
  const auto files = list();
  ASSERT_TRUE(files.ok());
  ASSERT_EQ((*files)->size(), 2u);
  EXPECT_EQ(http_.seen()[1].url, "https://hub.example/api/models/o/m/lfs-files?cursor=2");
}

TEST_F(LfsFiles, NoPageIsAskedForAnywhereElse) {
  const json items = json::array({file(kOid, 1, "")});
  for (const char* link :
       {R"(<https://evil.example/api/models/o/m/lfs-files?cursor=2>; rel="next")",
        R"(<http://hub.example/api/models/o/m/lfs-files?cursor=2>; rel="next")",
        R"(<https://user@evil.example/api/models/o/m/lfs-files?cursor=2>; rel="next")"}) {
    answer({respond(200, items.dump(), {{"link", link}}), respond(200, "[]")});
    ASSERT_TRUE(list().ok());
    EXPECT_EQ(http_.seen().back().url, "https://hub.example/api/models/o/m/lfs-files?cursor=2");
  }
  for (const char* link : {R"(<https://evil.example/x>; rel="next")", "<", "<>; rel=\"next\"",
                           R"(<https://hub.example/api/x>; rel="last")", "nonsense"}) {
    const std::size_t before = requests();
    answer({respond(200, items.dump(), {{"link", link}}), respond(500)});
    ASSERT_TRUE(list().ok()) << link;
    EXPECT_EQ(requests() - before, 1u) << link;
  }
}

TEST_F(LfsFiles, AServerWithoutTheRouteIsNoError) {
  answer({respond(404, "not found")});
  const auto files = list();
  ASSERT_TRUE(files.ok());
  EXPECT_EQ(*files, std::nullopt);
  answer({with_code(404, "RepoNotFound")});
  expect_error(status_of(list()), ErrorKind::kNotFound, {"o/m", "'repo_id'"});
}

TEST_F(LfsFiles, AnotherFormIsNoHub) {
  for (const char* body : {"", "{}", "<html>", "null"}) {
    answer({respond(200, body)});
    expect_error(status_of(list()), ErrorKind::kRejected, {"not one of a Hub"});
  }
}

TEST_F(LfsFiles, AreDeletedWithoutRewritingHistory) {
  answer({respond(503), respond(200, "OK")});
  const std::vector<Sha256> oids = {*Sha256::from_hex(kOid), *Sha256::from_hex(kOther)};
  ASSERT_TRUE(delete_lfs_files(hub_, "o/m", oids, token()).ok());
  const auto seen = http_.seen().back();
  EXPECT_EQ(seen.method, "POST");
  EXPECT_EQ(seen.url, "https://hub.example/api/models/o/m/lfs-files/batch");
  EXPECT_EQ(json::parse(seen.body),
            json({{"deletions", {{"sha", {kOid, kOther}}, {"rewriteHistory", false}}}}));
}

TEST_F(LfsFiles, ARefusedDeletionSaysWhy) {
  const std::vector<Sha256> oids = {*Sha256::from_hex(kOid)};
  answer({respond(403, R"({"error":"no"})")});
  expect_error(delete_lfs_files(hub_, "o/m", oids, token()), ErrorKind::kAuth,
               {"o/m", "write access"});
  hub_.token = Secret();
  const std::size_t before = requests();
  expect_error(delete_lfs_files(hub_, "o/m", oids, token()), ErrorKind::kAuth, {"HF_TOKEN"});
  EXPECT_EQ(requests(), before);
}

}  // namespace
}  // namespace hubrev
