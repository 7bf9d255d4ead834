#include "plugin/git/server_text.h"

#include <gtest/gtest.h>

#include <utility>

namespace hubrev {
namespace {

TEST(Printable, KeepsUtf8AndNothingThatATerminalObeys) {
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
      {"", ""},
  };
  for (const auto& [text, shown] : rows) EXPECT_EQ(shown_text(text), shown);
}

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
