#include "plugin/fixes/json_text.h"

#include <gtest/gtest.h>

namespace hubrev {
namespace {

JsonText parsed(std::string text) {
  return JsonText::parse(std::move(text), "f.json").value();
}

TEST(JsonText, AcceptsWhatPythonWrites) {
  for (const char* text :
       {"{}", "[]", "0", "-0", "-1.5e+10", "1E5", "null", "true", "\"\\u00e9\\n\"", " \r\n\t[ ] ",
        "NaN", "[Infinity, -Infinity]", "\xEF\xBB\xBF{\"a\": 1}", "{\"a\": 1, \"a\": 2}",
        "[[[1], {\"x\": [2]}]]", "\"\xC3\xA9 \x7F\""}) {
    EXPECT_TRUE(JsonText::parse(text, "f.json").ok()) << text;
  }
}

TEST(JsonText, SaysWhereItStopsBeingJson) {
  struct Row {
    std::string text;
    std::size_t byte;
  };
  const Row rows[] = {
      {"", 0},          {"   ", 3},         {"{", 1},       {"{\"a\"", 4},
      {"{\"a\": }", 6}, {"{\"a\": 1,}", 8}, {"[1 2]", 3},   {"{\"a\": 1} x", 9},
      {"[01]", 2},      {"[1.]", 3},        {"[-]", 2},     {"[+1]", 1},
      {"\"abc", 4},     {"\"a\nb\"", 2},    {"\"\\x\"", 2}, {"\"\\u12G4\"", 5},
      {"\"\\u12", 5},   {"nul", 0},         {"{a: 1}", 1},  {"{'a': 1}", 1},
      {"[1,", 3},       {"infinity", 0},    {"1e", 2},      {std::string("[\0]", 3), 1},
      {"\"\\", 2},      {"{\"a\" 1}", 5},
  };
  for (const Row& row : rows) {
    const auto json = JsonText::parse(row.text, "config.json");
    ASSERT_FALSE(json.ok()) << row.text;
    EXPECT_EQ(json.error().kind, ErrorKind::kInvalidInput);
    EXPECT_EQ(json.error().message, "config.json is not valid JSON at byte " +
                                        std::to_string(row.byte) +
                                        "; the checkpoint is damaged: save it again")
        << row.text;
  }
}

TEST(JsonText, EveryTruncationOfAConfigIsAnError) {
  const std::string text =
      "{\"a\": [1, -2.5e3, \"x\\u00e9\\\"\"], \"b\": {\"c\": null, \"d\": Infinity}, \"e\": true}";
  ASSERT_TRUE(JsonText::parse(text, "f.json").ok());
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(JsonText::parse(text.substr(0, size), "f.json").ok()) << size;
  }
}

TEST(JsonText, BoundsDepthAndNumberOfValues) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(JsonText::parse(nested(JsonText::kMaxDepth), "f.json").ok());
  const auto deep = JsonText::parse(nested(JsonText::kMaxDepth + 1), "f.json");
  ASSERT_FALSE(deep.ok());
  EXPECT_EQ(deep.error().message,
            "f.json nests too deeply at byte 128; the checkpoint is damaged: save it again");
  EXPECT_FALSE(JsonText::parse(std::string(10'000'000, '['), "f.json").ok());
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  EXPECT_FALSE(JsonText::parse(objects, "f.json").ok());

  std::string wide = "[0";
  for (std::size_t i = 0; i < JsonText::kMaxValues; ++i) wide += ",0";
  const auto many = JsonText::parse(wide + "]", "f.json");
  ASSERT_FALSE(many.ok());
  EXPECT_NE(many.error().message.find("too many values"), std::string::npos);
}

TEST(JsonText, FindsMembersByTheirDecodedKeyAndTheLastOneCounts) {
  const JsonText json = parsed(
      "{\"a\": 1, \"a\": 2, \"eos\\u005ftoken\": 3, \"n\": {\"a\": {\"b\": 4}}, \"n\": {\"c\": "
      "5}}");
  EXPECT_EQ(json.integer(json.find({"a"}).value()), 2);
  EXPECT_EQ(json.integer(json.find({"eos_token"}).value()), 3);
  EXPECT_EQ(json.integer(json.find({"n", "c"}).value()), 5);
  EXPECT_FALSE(json.find({"n", "a", "b"}));
  EXPECT_FALSE(json.find({"a", "b"}));
  EXPECT_FALSE(json.find({"missing", "b"}));
}

TEST(JsonText, ReadsScalars) {
  const JsonText json = parsed(
      R"([7, -9223372036854775808, 9223372036854775808, 2.0, "s", "\ud83d\ude00\ud83d", null])");
  const auto items = json.children(JsonText::kRoot);
  ASSERT_EQ(items.size(), 7u);
  EXPECT_EQ(json.integer(items[0]), 7);
  EXPECT_EQ(json.integer(items[1]), std::numeric_limits<std::int64_t>::min());
  EXPECT_FALSE(json.integer(items[2]));
  EXPECT_FALSE(json.integer(items[3]));
  EXPECT_FALSE(json.integer(items[4]));
  EXPECT_EQ(json.string(items[4]), "s");
  EXPECT_EQ(json.string(items[5]), "\xF0\x9F\x98\x80\xEF\xBF\xBD");
  EXPECT_FALSE(json.string(items[0]));
  EXPECT_EQ(json.kind(items[6]), JsonKind::kNull);
  EXPECT_EQ(json.raw(items[1]), "-9223372036854775808");
}

}  // namespace
}  // namespace hubrev
