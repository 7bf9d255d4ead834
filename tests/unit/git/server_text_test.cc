#include "plugin/git/server_text.h"

#include <gtest/gtest.h>

namespace hubrev {
namespace {

TEST(ServerText, IsTheSameHoweverItIsSplit) {
  const std::string all =
      "  \n\nhook: caf\xc3\xa9\r\nUnpacking objects:  33% (1/3)\rUnpacking objects: 100% (3/3)\r"
      "Unpacking objects: 100% (3/3), done.\n- a/b.bin\n \n";
  for (std::size_t piece = 1; piece <= all.size(); ++piece) {
    ServerText text;
    for (std::size_t at = 0; at < all.size(); at += piece) text.append(all.substr(at, piece));
    EXPECT_EQ(text.text(), "hook: caf\xc3\xa9\n- a/b.bin") << piece;
  }
}

TEST(ServerText, IsBounded) {
  ServerText text;
  for (int i = 0; i < 100; ++i) text.append(std::string(10'000, 'x'));
  EXPECT_EQ(text.text().size(), 64u * 1024);
}

TEST(ServerText, NothingIsNothing) {
  EXPECT_EQ(ServerText().text(), "");
}

}  // namespace
}  // namespace hubrev
