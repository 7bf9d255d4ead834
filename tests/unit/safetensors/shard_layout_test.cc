#include "plugin/safetensors/shard_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

namespace hubrev {
namespace {

using ::testing::ElementsAre;

constexpr const char* kPath = "model.safetensors";
constexpr std::uint64_t kTensor = 1000;  // bytes of each
constexpr std::uint64_t kMinApart = 2 * kTensor;

// Tensors "a", "b", ... of one size, as a file holds them.
Header header_of(const std::string& names) {
  Header header;
  header.metadata = {{"format", "pt"}};
  std::uint64_t at = 0;
  for (const char name : names) {
    header.tensors.push_back({std::string(1, name), "U8", {kTensor}, at, at + kTensor});
    at += kTensor;
  }
  header.data_offset = write_header(header.tensors, header.metadata).size();
  return header;
}

std::uint64_t size_with(const std::string& names) {
  return header_of(names).data_offset + names.size() * kTensor;
}

// "ab cD": shards by their tensors, those that are unchanged in capitals.
PublishedFile file_of(const std::string& text) {
  PublishedFile file{"step-1", {{}}};
  for (const char c : text) {
    if (c == ' ') {
      file.shards.emplace_back();
      continue;
    }
    const bool unchanged = c >= 'A' && c <= 'Z';
    const char name = unchanged ? static_cast<char>(c - 'A' + 'a') : c;
    file.shards.back().push_back({std::string(1, name), Xxh3(), unchanged});
  }
  return file;
}

std::string text_of(const ShardLayout& layout, const Header& header) {
  std::string text;
  for (const TensorGroup& shard : layout.shards) {
    if (!text.empty()) text += ' ';
    for (const std::size_t i : shard) text += header.tensors[i].name;
  }
  return text;
}

struct Row {
  const char* what;
  std::string before;  // as file_of(); "" for none
  std::string frozen;
  std::string now;        // the file's tensors
  std::string max_shard;  // the tensors that just fit a shard
  std::string layout;
  std::size_t apart;
};

TEST(ShardLayout, FollowsItsRules) {
  const Row rows[] = {
      {"the first revision is one file", "", "", "abcdef", "abcdef", "abcdef", 0},
      {"or cut where it is too large", "", "", "abcdef", "abcd", "abc def", 0},
      {"frozen ones are apart from the start", "", "bd", "abcdef", "abcdef", "bd acef", 2},
      {"if there is enough of them", "", "b", "abcdef", "abcdef", "abcdef", 0},
      {"names that no tensor has do no harm", "", "xyz", "abcdef", "abcdef", "abcdef", 0},
      {"all frozen: nothing to tell apart", "", "abcdef", "abcdef", "abcdef", "abcdef", 6},
      {"everything changes", "abcdef", "", "abcdef", "abcdef", "abcdef", 0},
      {"everything changes, cut", "abc def", "", "abcdef", "abcd", "abc def", 0},
      {"too little is unchanged", "aBcdef", "", "abcdef", "abcdef", "abcdef", 0},
      {"what is unchanged comes together", "aBcDef", "", "abcdef", "abcdef", "bd acef", 2},
      {"cut at the limit, too", "ABCDEf", "", "abcdef", "abcd", "abc de f", 5},
      {"and stays", "BD acef", "", "abcdef", "abcdef", "bd acef", 2},
      {"in the order that it had", "DB acef", "", "abcdef", "abcdef", "db acef", 2},
      {"more of it goes behind", "BD AceF", "", "abcdef", "abcdef", "bd af ce", 4},
      {"less than enough stays with the rest", "BD Acef", "", "abcdef", "abcdef", "bd acef", 2},
      {"an ordinary shard without change stays", "abcd EF", "", "abcdef", "abcd", "ef abcd", 2},
      {"however small it is", "abcde F", "", "abcdef", "abcde", "f abcde", 1},
      {"one that changed leaves its shard", "BDe acf", "", "abcdef", "abcdef", "bd acef", 2},
      {"and its company, if it is too small", "Bd acef", "", "abcdef", "abcdef", "abcdef", 0},
      {"all of a shard changed", "bd acef", "", "abcdef", "abcdef", "abcdef", 0},
      {"all of the file is unchanged", "ABCDEF", "", "abcdef", "abcdef", "abcdef", 6},
      {"all of two shards is", "BD ACEF", "", "abcdef", "abcdef", "bd acef", 6},
      {"a lower limit cuts again", "ABCD ef", "", "abcdef", "ab", "ab cd ef", 4},
      {"other tensors: start over", "BD acef", "", "abcdeg", "abcdef", "abcdeg", 0},
      {"one more: start over", "BD acef", "", "abcdefg", "abcdefg", "abcdefg", 0},
      {"one less: start over, with what is frozen", "BD acef", "ac", "abcde", "abcdef", "ac bde",
       2},
      {"one twice: start over", "BDB acef", "", "abcdef", "abcdef", "abcdef", 0},
      {"what is seen counts more than what was said", "abcdef", "bd", "abcdef", "abcdef", "abcdef",
       0},
      {"empty shards are nobody's", " BD  acef ", "", "abcdef", "abcdef", "bd acef", 2},
      {"no tensors", "", "", "", "abc", "", 0},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    PublishedWeights before;
    if (!row.before.empty()) before.files[kPath] = file_of(row.before);
    for (const char name : row.frozen) before.frozen.insert(std::string(1, name));
    const Header header = header_of(row.now);
    const ShardRules rules{size_with(row.max_shard), kMinApart, &before};
    const ShardLayout layout = lay_out(kPath, size_with(row.now), header, rules);
    EXPECT_EQ(text_of(layout, header), row.layout);
    EXPECT_EQ(layout.tensors_apart, row.apart);
    EXPECT_EQ(layout.bytes_apart, row.apart * kTensor);
  }
}

TEST(ShardLayout, LooksAtNothingUnlessAsked) {
  PublishedWeights before;
  before.files[kPath] = file_of("BD acef");
  const Header header = header_of("abcdef");
  const std::uint64_t size = size_with("abcdef");
  const ShardRules off{size, kMinApart, nullptr};
  EXPECT_EQ(text_of(lay_out(kPath, size, header, off), header), "abcdef");
  const ShardRules small{size, size + 1, &before};
  EXPECT_EQ(text_of(lay_out(kPath, size, header, small), header), "abcdef");
  const ShardRules other{size, kMinApart, &before};
  EXPECT_EQ(text_of(lay_out("other.safetensors", size, header, other), header), "abcdef");
  EXPECT_EQ(lay_out(kPath, size, header, other).compared_to, "step-1");
}

// Whatever has changed, every tensor is in one shard, and none is too large.
TEST(ShardLayout, HoldsEveryTensorOnce) {
  const std::string names = "abcdefgh";
  const Header header = header_of(names);
  const std::uint64_t limit = size_with("abc");
  PublishedWeights before;
  before.files[kPath] = file_of("abc def gh");
  unsigned random = 1;
  for (int revision = 0; revision < 500; ++revision) {
    const ShardRules rules{limit, kMinApart, &before};
    const ShardLayout layout = lay_out(kPath, size_with(names), header, rules);
    std::set<std::size_t> seen;
    std::string next;
    for (const TensorGroup& shard : layout.shards) {
      EXPECT_LE(shard.size(), 3u);
      if (!next.empty()) next += ' ';
      for (const std::size_t i : shard) {
        EXPECT_TRUE(seen.insert(i).second);
        random = random * 1664525 + 1013904223;
        const bool unchanged = (random >> 28) < 11;
        next += static_cast<char>(names[i] - (unchanged ? 'a' - 'A' : 0));
      }
    }
    EXPECT_EQ(seen.size(), names.size());
    before.files[kPath] = file_of(next);
  }
}

}  // namespace
}  // namespace hubrev
