#include "plugin/base/utf8.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>

namespace hubrev {
namespace {

TEST(Utf8, TakesEachLengthAtItsLimits) {
  const std::pair<std::string, char32_t> rows[] = {
      {std::string(1, '\0'), 0},
      {"\x7F", 0x7F},
      {"\xC2\x80", 0x80},
      {"\xDF\xBF", 0x7FF},
      {"\xE0\xA0\x80", 0x800},
      {"\xED\x9F\xBF", 0xD7FF},
      {"\xEE\x80\x80", 0xE000},
      {"\xEF\xBF\xBF", 0xFFFF},
      {"\xF0\x90\x80\x80", 0x10000},
      {"\xF4\x8F\xBF\xBF", 0x10FFFF},
  };
  for (const auto& [bytes, point] : rows) {
    const std::string text = bytes + "x";
    std::string_view rest = text;
    EXPECT_EQ(take_code_point(rest), point);
    EXPECT_EQ(rest, "x") << static_cast<std::uint32_t>(point);
  }
}

TEST(Utf8, RefusesWhatIsMalformedAndLeavesItThere) {
  const std::string rows[] = {
      "\x80",
      "\xBF",
      "\xC0\x80",
      "\xC1\xBF",
      "\xC2",
      "\xC2x",
      "\xE0\x9F\xBF",
      "\xED\xA0\x80",
      "\xED\xBF\xBF",
      "\xE2\x82",
      "\xF0\x8F\xBF\xBF",
      "\xF4\x90\x80\x80",
      "\xF5\x80\x80\x80",
      "\xF0\x9F\x98",
      "\xFE",
      "\xFF",
  };
  for (const std::string& text : rows) {
    std::string_view rest = text;
    EXPECT_FALSE(take_code_point(rest).has_value());
    EXPECT_EQ(rest, text);
  }
}

TEST(ShownText, KeepsUtf8AndNothingThatATerminalObeys) {
  const std::pair<std::string, std::string> rows[] = {
      {"plain\nlines", "plain\nlines"},
      {"caf\xc3\xa9 \xe6\xa8\xa1 \xf0\x9f\x98\x80", "caf\xc3\xa9 \xe6\xa8\xa1 \xf0\x9f\x98\x80"},
      {"tab\there", "tab here"},
      {"\x1b[31mred\x7f", "?[31mred?"},
      {std::string("nul\0!", 5), "nul?!"},
      {"\xff\xfe", "??"},
      {"cut \xe6\xa8", "cut ??"},
      {"overlong \xc0\xaf \xe0\x80\xaf", "overlong ?? ???"},
      {"surrogate \xed\xa0\x80", "surrogate ???"},
      {"beyond \xf4\x90\x80\x80", "beyond ????"},
      {"C1 \xc2\x9b[31m \xc2\x80 \xc2\xa0", "C1 ?[31m ? \xc2\xa0"},
      {"", ""},
  };
  for (const auto& [text, shown] : rows) EXPECT_EQ(shown_text(text), shown);
}

TEST(ShownText, IsCutBetweenCodePoints) {
  EXPECT_EQ(shown_text("abc", 3), "abc");
  EXPECT_EQ(shown_text("abcd", 3), "abc...");
  EXPECT_EQ(shown_text("a\xf0\x9f\x98\x80", 4), "a...");
  EXPECT_EQ(shown_text("a\xf0\x9f\x98\x80", 5), "a\xf0\x9f\x98\x80");
  EXPECT_EQ(shown_text(std::string(9, '\x80'), 6), "???...");
  EXPECT_EQ(shown_text("abc", 0), "...");
}

}  // namespace
}  // namespace hubrev
