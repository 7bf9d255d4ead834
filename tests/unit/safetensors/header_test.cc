#include "plugin/safetensors/header.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "plugin/safetensors/index.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/safetensors/checkpoint.h"

namespace hubrev {
namespace {

using ::testing::ElementsAre;
using testing::file_of;
using ::testing::HasSubstr;
using testing::make_file;

Result<Header> read(const std::string& bytes) {
  return read_header(Source::from_bytes(bytes));
}

std::string tensor(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"t":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets +
         "}}";
}

TEST(ReadHeader, GivesTensorsInTheOrderOfTheirData) {
  const std::string json = R"({"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},)"
                           R"("empty":{"shape":[0,3],"data_offsets":[4,4],"dtype":"F32"},)"
                           R"("__metadata__":{"format":"pt"},)"
                           R"("scalar":{"dtype":"BF16","shape":[],"data_offsets":[8,10]},)"
                           R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  const auto header = read(file_of(json + "   ", "0123456789"));
  ASSERT_TRUE(header.ok()) << header.error().message;
  ASSERT_EQ(header->tensors.size(), 4u);
  EXPECT_EQ(header->tensors[0].name, "a");
  EXPECT_EQ(header->tensors[1].name, "empty");
  EXPECT_THAT(header->tensors[1].shape, ElementsAre(0, 3));
  EXPECT_EQ(header->tensors[2].name, "b");
  EXPECT_EQ(header->tensors[3].name, "scalar");
  EXPECT_EQ(header->tensors[3].dtype, "BF16");
  EXPECT_EQ(header->tensors[3].begin, 8u);
  EXPECT_EQ(header->tensors[3].end, 10u);
  EXPECT_EQ(header->metadata.at("format"), "pt");
  EXPECT_EQ(header->data_offset, 8 + json.size() + 3);
}

TEST(ReadHeader, KnowsEveryDtype) {
  struct Row {
    const char* dtype;
    std::size_t bytes_of_four;
  };
  const Row rows[] = {{"BOOL", 4},    {"F4", 2},   {"F6_E2M3", 3},     {"F6_E3M2", 3},
                      {"U8", 4},      {"I8", 4},   {"F8_E5M2", 4},     {"F8_E4M3", 4},
                      {"F8_E8M0", 4}, {"I16", 8},  {"F8_E4M3FNUZ", 4}, {"F8_E5M2FNUZ", 4},
                      {"U16", 8},     {"F16", 8},  {"BF16", 8},        {"I32", 16},
                      {"U32", 16},    {"F32", 16}, {"C64", 32},        {"F64", 32},
                      {"I64", 32},    {"U64", 32}};
  for (const Row& row : rows) {
    for (std::size_t size = 0; size < 40; ++size) {
      const auto json = tensor(row.dtype, "[2,2]", "[0," + std::to_string(size) + "]");
      EXPECT_EQ(read(file_of(json, std::string(size, 'x'))).ok(), size == row.bytes_of_four)
          << row.dtype << " in " << size << " bytes";
    }
  }
}

TEST(ReadHeader, AcceptsFilesWithoutTensors) {
  EXPECT_TRUE(read(file_of("{}")).ok());
  EXPECT_TRUE(read(file_of(R"({"__metadata__":{}})")).ok());
  EXPECT_TRUE(read(file_of(tensor("F32", "[0]", "[0,0]"))).ok());
}

TEST(ReadHeader, RefusesAndSaysWhy) {
  const std::string good = tensor("U8", "[4]", "[0,4]");
  const std::string entry = R"({"dtype":"U8","shape":[2],"data_offsets":)";
  struct Row {
    std::string file;
    const char* message;
  };
  const Row rows[] = {
      {"", "at least 8 bytes, this one has 0"},
      {"1234567", "at least 8 bytes, this one has 7"},
      {std::string(8, '\xff'), "more than the format's 100 MB"},
      {std::string("\x01\xe1\xf5\x05\0\0\0\0", 8), "more than the format's 100 MB"},
      {std::string("\0\xe1\xf5\x05\0\0\0\0", 8), "the header alone has 100000000 bytes"},
      {file_of(""), "does not begin with '{'"},
      {file_of(" {}"), "does not begin with '{'"},
      {file_of("\xef\xbb\xbf{}"), "does not begin with '{'"},
      {file_of("[]"), "does not begin with '{'"},
      {file_of("{"), "no valid JSON"},
      {file_of("{}x"), "no valid JSON"},
      {file_of(std::string("{}\0", 3)), "no valid JSON"},
      {file_of("{\"\xff\":1}"), "no valid JSON"},
      {file_of(good, "123"), "truncated: the header promises 4 bytes of data, the file has 3"},
      {file_of(good, "12345"), "too long: the header promises 4 bytes of data, the file has 5"},
      {file_of(tensor("U8", "[4]", "[0,5]"), "12345"), "need 32 bits, its data_offsets give it 5"},
      {file_of(tensor("F4", "[3]", "[0,2]"), "12"), "need 12 bits, its data_offsets give it 2"},
      {file_of(tensor("X9", "[4]", "[0,4]"), "1234"), "unknown dtype \"X9\""},
      {file_of(tensor("", "[4]", "[0,4]"), "1234"), "unknown dtype \"\""},
      {file_of(tensor("U8", "[4]", "[4,0]"), "1234"), "ends before it begins"},
      {file_of(tensor("U8", "[4]", "[1,5]"), "12345"), "a hole ends; byte 0 was expected"},
      {file_of(tensor("U8", "[4]", "[0]"), "1234"), "needs two data_offsets"},
      {file_of(tensor("U8", "[4]", "[0,4,8]"), "1234"), "a number where the format has none"},
      {file_of(tensor("U8", "[4]", "[0,4.0]"), "1234"), "not whole or too large"},
      {file_of(tensor("U8", "[4]", "[-0,4]"), "1234"), "a negative number"},
      {file_of(tensor("U8", "[-4]", "[0,4]"), "1234"), "a negative number"},
      {file_of(tensor("U8", "4", "[0,4]"), "1234"), "a number where the format has none"},
      {file_of(tensor("U8", "[[4]]", "[0,4]"), "1234"), "an array where"},
      {file_of(tensor("U8", "[null]", "[0,4]"), "1234"), "null where"},
      {file_of(tensor("U8", "[true]", "[0,4]"), "1234"), "true or false where"},
      {file_of(tensor("U8", "[{}]", "[0,4]"), "1234"), "an object where"},
      {file_of(tensor("U8", "{}", "[0,4]"), "1234"), "an object where"},
      {file_of(tensor("U8", "[\"4\"]", "[0,4]"), "1234"), "a string where"},
      {file_of(tensor("U8", "[18446744073709551616]", "[0,0]")), "not whole or too large"},
      {file_of(tensor("U8", "[18446744073709551615]", "[0,0]")), "is too large"},
      {file_of(tensor("U8", "[4294967296,4294967296]", "[0,0]")), "is too large"},
      {file_of(tensor("U8", "[2305843009213693952]", "[0,0]")), "is too large"},
      {file_of(tensor("U8", "[0,18446744073709551615]", "[18446744073709551615,0]")),
       "ends before"},
      {file_of(R"({"t":{"dtype":"U8","shape":[4]}})", "1234"), "lacks its dtype, shape or"},
      {file_of(R"({"t":{}})"), "lacks its dtype, shape or"},
      {file_of(R"({"t":{"dtype":"U8","dtype":"U8"}})"), "has its dtype twice"},
      {file_of(R"({"t":{"extra":1}})"), "has the unknown field \"extra\""},
      {file_of(R"({"t":5})"), "a number where"},
      {file_of(R"({"t":[]})"), "an array where"},
      {file_of(R"({"t":{"dtype":7}})"), "a number where"},
      {file_of(R"({"__metadata__":{"a":1}})"), "the metadata holds a number"},
      {file_of(R"({"__metadata__":{"a":{}}})"), "the metadata holds an object"},
      {file_of(R"({"__metadata__":null})"), "the metadata holds null"},
      {file_of(R"({"__metadata__":{"a":"1","a":"2"}})"), "metadata key \"a\" is there twice"},
      {file_of(R"({"__metadata__":{},"__metadata__":{}})"), "the metadata is there twice"},
      {file_of("{\"a\":" + entry + "[0,2]},\"a\":" + entry + "[2,4]}}", "1234"),
       "tensor \"a\" is there twice"},
      {file_of("{\"a\":" + entry + "[0,2]},\"b\":" + entry + "[1,3]}}", "123"),
       "\"b\" begins at byte 1 of the data, where another one lies"},
      {file_of("{\"a\":" + entry + "[0,2]},\"b\":" + entry + "[3,5]}}", "12345"),
       "\"b\" begins at byte 3 of the data, where a hole ends"},
      {file_of("{\"a\":" + entry + "[0,2]},\"z\":" + tensor("U8", "[0]", "[1,1]").substr(5) + "",
               "12"),
       "\"z\" begins at byte 1 of the data, where another one lies"},
      {file_of("{\"" + std::string(100'000, '[') + "\":1}"), "[...\" holds a number"},
      {file_of("{\"a\":" + std::string(100'000, '[')), "an array where"},
      {file_of(std::string(100'000, '{')), "no valid JSON"},
  };
  for (const Row& row : rows) {
    const auto header = read(row.file);
    ASSERT_FALSE(header.ok()) << row.message;
    EXPECT_EQ(header.error().kind, ErrorKind::kInvalidInput) << row.message;
    EXPECT_THAT(header.error().message, HasSubstr(row.message));
    EXPECT_LT(header.error().message.size(), 500u);
  }
}

TEST(ReadHeader, RefusesEveryTruncation) {
  const std::string file = make_file({{"a", 5}, {"b", 0}, {"c", 11}});
  ASSERT_TRUE(read(file).ok());
  for (std::size_t size = 0; size < file.size(); ++size) {
    const auto header = read(file.substr(0, size));
    ASSERT_FALSE(header.ok()) << size;
    EXPECT_EQ(header.error().kind, ErrorKind::kInvalidInput) << size;
  }
}

// What is accepted after a random change must still be sound: the writer and the reader agree on
// it.
TEST(ReadHeader, SurvivesRandomChanges) {
  const std::string file = make_file({{"alpha", 5}, {"beta", 0}, {"gamma", 11}, {"delta", 3}});
  std::mt19937 random(20260131);
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string changed = file;
    const auto changes = 1 + random() % 3;
    for (std::size_t i = 0; i < changes; ++i) {
      changed[random() % changed.size()] ^= static_cast<char>(1u << (random() % 8));
    }
    const auto header = read(changed);
    if (!header.ok()) continue;
    ++accepted;
    const std::string data = changed.substr(header->data_offset);
    const auto again = read(write_header(header->tensors, header->metadata) + data);
    ASSERT_TRUE(again.ok()) << again.error().message;
    ASSERT_EQ(again->tensors.size(), 4u);
    EXPECT_EQ(again->tensors.back().end, data.size());
  }
  EXPECT_GT(accepted, 100);  // changes of data, names and metadata
  EXPECT_LT(accepted, 19'000);
}

TEST(ReadHeader, ReportsAFileThatShrank) {
  const testing::TempDir dir;
  const std::string file = make_file({{"a", 5}});
  const std::string path = dir.write("model.safetensors", file.substr(0, 20));
  const auto header = read_header(Source::from_file(path, file.size()));
  ASSERT_FALSE(header.ok());
  EXPECT_EQ(header.error().kind, ErrorKind::kCorrupt);
}

TEST(WriteHeader, IsCanonical) {
  const std::vector<Tensor> tensors = {{"a\"\n\xc3\xa9", "F32", {2, 1}, 100, 108},
                                       {"s", "F16", {}, 108, 110},
                                       {"none", "U8", {0}, 110, 110}};
  const std::string json =
      "{\"__metadata__\":{\"format\":\"pt\",\"k\":\"v\"},"
      "\"a\\\"\\n\xc3\xa9\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]},"
      "\"s\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[8,10]},"
      "\"none\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[10,10]}}";
  const std::string padding((8 - json.size() % 8) % 8, ' ');
  const std::string bytes = write_header(tensors, {{"k", "v"}, {"format", "pt"}});
  EXPECT_EQ(bytes, file_of(json + padding));
  EXPECT_EQ(bytes.size() % 8, 0u);
  EXPECT_TRUE(read(bytes + "0123456789").ok());
  EXPECT_EQ(write_header({}, {}), file_of("{}      "));
}

TEST(HeaderWriter, StopsAtTheLimit) {
  const Tensor tensor{"t", "U8", {100}, 500, 600};
  const std::uint64_t one = write_header({tensor}, {}).size() + 100;
  HeaderWriter writer({});
  EXPECT_FALSE(writer.add(tensor, one - 1));
  EXPECT_TRUE(writer.add(tensor, one));
  EXPECT_EQ(writer.file_size(), one);
  EXPECT_FALSE(writer.add(tensor, one));
  EXPECT_EQ(writer.finish(), write_header({tensor}, {}));
}

TEST(ReadIndex, RefusesWhatIsNoIndex) {
  struct Row {
    std::string text;
    const char* message;
  };
  const Row rows[] = {
      {"", "no valid JSON object"},
      {"[]", "no valid JSON object"},
      {std::string("{\"weight_map\":{}}\0", 18), "no valid JSON object"},
      {"{\"weight_map\":{}", "no valid JSON object"},
      {"{}", "no weight_map object"},
      {"{\"weight_map\":[]}", "no weight_map object"},
      {"{\"weight_map\":{\"a\":1}}", "gives tensor \"a\" no plain file name"},
      {"{\"weight_map\":{\"a\":\"\"}}", "no plain file name"},
      {"{\"weight_map\":{\"a\":\"..\"}}", "no plain file name"},
      {"{\"weight_map\":{\"a\":\"../x\"}}", "no plain file name"},
      {"{\"weight_map\":{\"a\":\"/etc/passwd\"}}", "no plain file name"},
      {"{\"weight_map\":{\"a\":\"x\\u0000y\"}}", "no plain file name"},
      {"{\"weight_map\":{},\"metadata\":[]}", "metadata is no object"},
      {"{\"weight_map\":{},\"metadata\":" + std::string(100'000, '['), "nested too deeply"},
      {"{\"\\\"[[[[[[[[[[[[[[[[[[[[\":1}", "no weight_map object"},
  };
  for (const Row& row : rows) {
    const auto index =
        read_index({"sub/model.safetensors.index.json", Source::from_bytes(row.text)});
    ASSERT_FALSE(index.ok()) << row.text.substr(0, 100);
    EXPECT_EQ(index.error().kind, ErrorKind::kInvalidInput);
    EXPECT_THAT(index.error().message, HasSubstr("sub/model.safetensors.index.json: the index"));
    EXPECT_THAT(index.error().message, HasSubstr(row.message));
  }
}

}  // namespace
}  // namespace hubrev
