#include "plugin/base/utf8.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

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

}  // namespace
}  // namespace hubrev
