#include "plugin/base/ids.h"

#include <gtest/gtest.h>

#include <type_traits>

namespace hubrev {
namespace {

static_assert(!std::is_convertible_v<GitId, Sha256> && !std::is_convertible_v<Sha256, GitId>);

TEST(HexId, RoundTripsInLowerCase) {
  const std::string lower = "00ff0123456789abcdefdeadbeef000000000001";
  const std::string upper = "00FF0123456789ABCDEFDEADBEEF000000000001";
  const auto id = GitId::from_hex(lower);
  ASSERT_TRUE(id.has_value());
  EXPECT_EQ(id->hex(), lower);
  EXPECT_EQ(id->bytes()[0], 0x00);
  EXPECT_EQ(id->bytes()[1], 0xFF);
  EXPECT_EQ(id->bytes()[19], 0x01);
  EXPECT_EQ(GitId::from_hex(upper), id);
  EXPECT_EQ(GitId(id->bytes()), *id);
}

TEST(HexId, RefusesEverythingElse) {
  const std::string digits(40, 'a');
  EXPECT_FALSE(GitId::from_hex(""));
  EXPECT_FALSE(GitId::from_hex(digits.substr(1)));
  EXPECT_FALSE(GitId::from_hex(digits + "a"));
  EXPECT_FALSE(GitId::from_hex(digits + std::string(24, 'a')));  // that is a Sha256
  for (const char c : {'g', 'G', ' ', '-', '/', ':', '@', '`', '\0', '\xE1'}) {
    std::string text = digits;
    text[39] = c;
    EXPECT_FALSE(GitId::from_hex(text)) << static_cast<int>(c);
    text = digits;
    text[0] = c;
    EXPECT_FALSE(GitId::from_hex(text)) << static_cast<int>(c);
  }
}

TEST(HexId, OrdersByBytes) {
  const auto low = Sha256::from_hex(std::string(63, '0') + "1");
  const auto high = Sha256::from_hex("1" + std::string(63, '0'));
  ASSERT_TRUE(low && high);
  EXPECT_LT(*low, *high);
  EXPECT_LT(Sha256(), *low);
  EXPECT_EQ(Sha256().hex(), std::string(64, '0'));
}

}  // namespace
}  // namespace hubrev
