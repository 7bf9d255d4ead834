#include "plugin/safetensors/published_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

namespace hubrev {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kPath = "model.safetensors";

// The object of a shard whose tensors hold these texts.
LfsObject object_of(const std::string& path, const std::vector<std::string>& data) {
  LfsObject object{path, Sha256(), 0, {xxh3("header")}};
  for (const std::string& one : data) object.pieces.push_back(xxh3(one));
  return object;
}

PublishedWeights publish(const PublishedWeights& before, const std::string& revision,
                         const std::vector<std::string>& names,
                         const std::vector<std::string>& data) {
  return published(before, "job-" + revision, revision, {{kPath, "m.safetensors", names, {}}},
                   {object_of("other", {}), object_of("m.safetensors", data)});
}

std::string unchanged_in(const PublishedWeights& weights) {
  std::string names;
  for (const auto& shard : weights.files.at(kPath).shards) {
    for (const PublishedTensor& tensor : shard) names += tensor.unchanged ? tensor.name : "";
  }
  return names;
}

TEST(PublishedWeights, ComparesWithTheRevisionBefore) {
  PublishedWeights before;
  before.frozen = {"b", "x"};
  const PublishedWeights first = publish(before, "1", {"a", "b", "c"}, {"A", "B", "C"});
  EXPECT_EQ(first.job, "job-1");
  EXPECT_EQ(first.frozen, before.frozen);
  EXPECT_EQ(unchanged_in(first), "b") << "as training said";
  EXPECT_EQ(first.files.at(kPath).compared_to, "");

  const PublishedWeights second = publish(first, "2", {"c", "a", "b"}, {"C", "A", "new"});
  EXPECT_EQ(unchanged_in(second), "ca") << "as is seen";
  EXPECT_EQ(second.files.at(kPath).compared_to, "1");

  const PublishedWeights other = publish(second, "3", {"a", "b", "d"}, {"A", "new", "D"});
  EXPECT_EQ(unchanged_in(other), "b") << "other tensors: it starts over";
  EXPECT_EQ(other.files.at(kPath).compared_to, "");
}

TEST(PublishedWeights, AsksForTheDigestsOfItsShardsAlone) {
  std::vector<LfsFile> files = {{"a.bin", Source::from_bytes("a")},
                                {"m.safetensors", Source::from_bytes("12345678")}};
  want_digests(files, {{kPath, "m.safetensors", {"t"}, {5, 3}}});
  EXPECT_TRUE(files[0].pieces.empty());
  EXPECT_THAT(files[1].pieces, ElementsAre(5, 3));
}

TEST(PublishedWeights, AreReadAsTheyWereWritten) {
  PublishedWeights before;
  before.frozen = {"caf\xc3\xa9", "quote\""};
  const PublishedWeights weights =
      publish(publish(before, "1", {"a", "b"}, {"A", "B"}), "2", {"a", "b"}, {"A", "new"});
  const auto read = published_weights_from_text(to_text(weights));
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(to_text(*read), to_text(weights));
  EXPECT_EQ(read->job, "job-2");
  EXPECT_EQ(read->revision, "2");
  EXPECT_EQ(read->frozen, before.frozen);
  EXPECT_EQ(unchanged_in(*read), "a");
  EXPECT_EQ(read->files.at(kPath).shards[0][1].digest, xxh3("new"));
}

TEST(PublishedWeights, RefusesWhatIsNone) {
  const std::string good = to_text(publish({}, "1", {"a"}, {"A"}));
  ASSERT_TRUE(published_weights_from_text(good).ok());
  std::vector<std::string> bad = {"", "null", "[]", "{}", std::string(100, '[')};
  for (std::size_t length = 1; length + 2 < good.size(); length += 7) {
    bad.push_back(good.substr(0, length));
  }
  for (const auto& [old, now] : {std::pair("\"unchanged\":false", "\"unchanged\":0"),
                                 {"\"digest\":\"", "\"digest\":\"x"},
                                 {"\"frozen\":[]", "\"frozen\":[1]"},
                                 {"\"files\":{", "\"files\":{\"x\":1,"}}) {
    std::string text = good;
    const std::size_t at = text.find(old);
    ASSERT_NE(at, std::string::npos) << old;
    bad.push_back(text.replace(at, std::string(old).size(), now));
  }
  for (const std::string& text : bad) {
    const auto read = published_weights_from_text(text);
    ASSERT_FALSE(read.ok()) << text;
    EXPECT_EQ(read.error().kind, ErrorKind::kCorrupt);
    EXPECT_THAT(read.error().message, HasSubstr("not a memory of weights"));
  }
}

}  // namespace
}  // namespace hubrev
