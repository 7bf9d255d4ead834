#include "plugin/fixes/yaml_value.h"

#include <gtest/gtest.h>

#include <cmath>

namespace hubrev {
namespace {

std::string rewritten(const std::string& yaml) {
  const auto value = parse_yaml(yaml);
  return value.ok() ? write_yaml(*value) : "error: " + value.error().message;
}

TEST(Yaml, KeepsOrderAndMeaning) {
  struct Row {
    std::string before;
    std::string after;
  };
  const Row rows[] = {
      {"b: 1\na: two words\n", "b: 1\na: two words\n"},
      {"tags: [x, 'no', no]\n", "tags:\n- x\n- \"no\"\n- no\n"},
      {"- a\n", "- a\n"},
      {"a: {b: [c, {d: e}], f: }\n", "a:\n  b:\n  - c\n  - d: e\n  f: null\n"},
      {"a: - \n", "error: "},
      {"a: |\n  one\n  two\n", "a: \"one\\ntwo\\n\"\n"},
      {"a: '1e-3'\nb: 1e-3\nc: '2026-01-31'\nd: 2026-01-31\n",
       "a: \"1e-3\"\nb: 1e-3\nc: \"2026-01-31\"\nd: 2026-01-31\n"},
      {"a: 2026-02-30\n", "a: \"2026-02-30\"\n"},  // PyYAML raises on such a date
      {"a: 0b_\nb: =\nc: 0x_\nd: 1:30\n", "a: \"0b_\"\nb: \"=\"\nc: \"0x_\"\nd: \"1:30\"\n"},
      {"a: 1\na: 2\n", "a: 2\n"},
      {"no: x\n1: y\n", "\"no\": x\n\"1\": y\n"},
      {"a: []\nb: {}\n", "a: []\nb: {}\n"},
      {"- - a\n  - b\n- c\n", "- - a\n  - b\n- c\n"},
      {"a: !!str 5\n", "a: \"5\"\n"},
      {"a: \xD0\xB6\n", "a: \"\xD0\xB6\"\n"},
      {"a: &x 1\n", "a: 1\n"},
  };
  for (const Row& row : rows) {
    const std::string after = rewritten(row.before);
    if (row.after == "error: ") {
      EXPECT_TRUE(after.starts_with(row.after)) << after;
    } else {
      EXPECT_EQ(after, row.after);
      EXPECT_EQ(rewritten(after), after);
    }
  }
}

TEST(Yaml, NastyStringsStayStrings) {
  for (const std::string text : {"no",
                                 "yes",
                                 "on",
                                 "Off",
                                 "TRUE",
                                 "null",
                                 "~",
                                 "",
                                 " ",
                                 "1",
                                 "-1",
                                 "1e-3",
                                 "1.5",
                                 "0x1F",
                                 "0o17",
                                 "1_000",
                                 ".inf",
                                 ".NaN",
                                 "nan",
                                 "2026-01-31",
                                 "12:30:45",
                                 "=",
                                 "<<",
                                 "- a",
                                 "a: b",
                                 "a #b",
                                 "#a",
                                 "a:",
                                 ":a",
                                 "@a",
                                 "`a`",
                                 "%a",
                                 "!a",
                                 "&a",
                                 "*a",
                                 "|",
                                 ">",
                                 "[a]",
                                 "{a}",
                                 "?",
                                 "\"a\"",
                                 "'a'",
                                 "a\\b",
                                 "a\nb",
                                 "\ttab",
                                 "a ",
                                 " a",
                                 "\xC3\xA9",
                                 "\xE2\x80\xA8",
                                 "---",
                                 "...",
                                 "\xEF\xBB\xBFx",
                                 "y",
                                 "N",
                                 "\xF0\x9F\xA4\x97"}) {
    const std::string yaml = write_yaml(YamlValue::map({{"k", YamlValue::string(text)}}));
    const auto back = parse_yaml(yaml);
    ASSERT_TRUE(back.ok()) << yaml;
    EXPECT_EQ(back->find("k")->text, text) << yaml;
  }
  // What no YAML reader accepts is dropped or replaced.
  EXPECT_EQ(write_yaml(YamlValue::map({{"k", YamlValue::string("a\x01\x1B\x7F\xC2\x80 b\xFF")}})),
            "k: \"a b\xEF\xBF\xBD\"\n");
}

TEST(Yaml, NumbersReadAsFloatsInEveryYamlVersion) {
  struct Row {
    double value;
    const char* text;
  };
  const Row rows[] = {{0.5, "0.5"},
                      {2, "2.0"},
                      {-0.0, "-0.0"},
                      {1e-5, "1.0e-05"},
                      {1.25e-7, "1.25e-07"},
                      {1e300, "1.0e+300"},
                      {1.0 / 3, "0.3333333333333333"}};
  for (const Row& row : rows) {
    const YamlValue value = YamlValue::number(row.value);
    EXPECT_EQ(value.text, row.text);
    EXPECT_EQ(write_yaml(YamlValue::map({{"k", value}})), "k: " + std::string(row.text) + "\n");
  }
}

TEST(Yaml, RefusesWhatHasNoPlaceInACard) {
  std::string bomb = "a0: &a0 [x,x]\n";
  for (int i = 1; i < 30; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + last + "," + last + "]\n";
  }
  for (const std::string& yaml :
       {bomb, std::string("a: &x {b: *x}\n"), std::string("a: !!python/object:os.system x\n"),
        std::string("a: !!binary aGk=\n"), std::string("a: !!set {x}\n"),
        std::string("<<: {a: b}\n"), std::string("? [a, b]\n: c\n"), std::string("a: b: c\n"),
        std::string("a: [b\n"), std::string("\ta: b\n"), std::string("a: b\n--- \nc: d\n"),
        std::string(1000, '['), std::string(100'000, '['),
        std::string(kMaxYamlDepth + 1, '[') + std::string(kMaxYamlDepth + 1, ']'),
        std::string(200, 'k') + ": v\n", std::string("a: @b\n"), std::string("*a\n")}) {
    const auto value = parse_yaml(yaml);
    ASSERT_FALSE(value.ok()) << yaml.substr(0, 80);
    EXPECT_EQ(value.error().kind, ErrorKind::kInvalidInput);
  }
}

}  // namespace
}  // namespace hubrev
