#include "plugin/fixes/json_edit.h"

#include <gtest/gtest.h>

namespace hubrev {
namespace {

JsonText parsed(const std::string& text) {
  return JsonText::parse(text, "f.json").value();
}

TEST(JsonEdit, PrependKeepsTheListsLayout) {
  struct Row {
    std::string before;
    std::string after;
  };
  const Row rows[] = {
      {"[\n    0\n  ]", "[\n    2,\n    0\n  ]"},
      {"[\n    0,\n    1\n  ]", "[\n    2,\n    0,\n    1\n  ]"},
      {"[\r\n\t0\r\n]", "[\r\n\t2,\r\n\t0\r\n]"},
      {"[0, 1]", "[2, 0, 1]"},
      {"[0,1]", "[2,0,1]"},
      {"[0]", "[2, 0]"},
      {"[ 0 ]", "[ 2, 0 ]"},
      {"[]", "[2]"},
      {"[ ]", "[2]"},
  };
  for (const Row& row : rows) {
    const JsonText json = parsed("{\"e\": " + row.before + ", \"z\": NaN}");
    const auto list = json.find({"e"}).value();
    EXPECT_EQ(apply_edits(json, {prepend_item(json, list, "2")}),
              "{\"e\": " + row.after + ", \"z\": NaN}");
  }
}

TEST(JsonEdit, InsertFindsASortedPlaceAndKeepsTheLayout) {
  struct Row {
    std::string before;
    std::string after;
  };
  const Row rows[] = {
      {"{}", "{\n  \"eos\": 2\n}"},
      {"{\n  \"bos\": 1,\n  \"pad\": 0\n}", "{\n  \"bos\": 1,\n  \"eos\": 2,\n  \"pad\": 0\n}"},
      {"{\n  \"pad\": 0\n}\n", "{\n  \"eos\": 2,\n  \"pad\": 0\n}\n"},
      {"{\n  \"bos\": 1\n}\n", "{\n  \"bos\": 1,\n  \"eos\": 2\n}\n"},
      {"{\r\n\t\"bos\" : 1\r\n}", "{\r\n\t\"bos\" : 1,\r\n\t\"eos\" : 2\r\n}"},
      {"{\"a\": 1, \"b\": 2}", "{\"a\": 1, \"b\": 2, \"eos\": 2}"},
      {"{\"x\": 1, \"y\": 2}", "{\"eos\": 2, \"x\": 1, \"y\": 2}"},
      {"{\"x\":1,\"y\":2}", "{\"eos\":2,\"x\":1,\"y\":2}"},
      {"{\"a\": {\"q\": 1}}", "{\"a\": {\"q\": 1}, \"eos\": 2}"},
      {"\xEF\xBB\xBF{\"x\": 1}", "\xEF\xBB\xBF{\"eos\": 2,\"x\": 1}"},
  };
  for (const Row& row : rows) {
    const JsonText json = parsed(row.before);
    const std::string after = apply_edits(json, {insert_member(json, JsonText::kRoot, "eos", "2")});
    EXPECT_EQ(after, row.after);
    EXPECT_TRUE(JsonText::parse(after, "f.json").ok()) << after;
  }
}

TEST(JsonEdit, SeveralEditsLeaveEveryOtherByte) {
  const JsonText json =
      parsed("{ \"a\" :\t1 ,\r\n \"b\": {\"a\": 22}, \"c\": -Infinity, \"a\": 333 }\n\n");
  const auto nested = json.find({"b", "a"}).value();
  const auto top = json.find({"a"}).value();
  EXPECT_EQ(
      apply_edits(json, {replace_value(json, nested, "[4, 5]"), replace_value(json, top, "6")}),
      "{ \"a\" :\t1 ,\r\n \"b\": {\"a\": [4, 5]}, \"c\": -Infinity, \"a\": 6 }\n\n");
}

}  // namespace
}  // namespace hubrev
