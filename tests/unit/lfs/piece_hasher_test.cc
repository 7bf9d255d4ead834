#include "plugin/lfs/piece_hasher.h"

#include <gtest/gtest.h>

#include <string>

namespace hubrev {
namespace {

TEST(PieceHasher, TakesTheDigestOfEachPieceHoweverTheBytesCome) {
  const std::string bytes = "headeraabbbbbcccccccccc";
  const std::vector<std::uint64_t> lengths = {6, 0, 2, 5, 0, 0, 10, 0};
  const std::vector<Xxh3> expected = {xxh3("header"), xxh3(""), xxh3("aa"),         xxh3("bbbbb"),
                                      xxh3(""),       xxh3(""), xxh3("cccccccccc"), xxh3("")};
  for (std::size_t step = 1; step <= bytes.size(); ++step) {
    PieceHasher hasher(lengths);
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      hasher.update(std::string_view(bytes).substr(at, step));
    }
    EXPECT_EQ(hasher.finish(), expected) << step;
  }
}

TEST(PieceHasher, LeavesOutWhatNoPieceCovers) {
  const std::vector<std::uint64_t> lengths = {2};
  PieceHasher hasher(lengths);
  hasher.update("abcdef");
  EXPECT_EQ(hasher.finish(), std::vector{xxh3("ab")});
  const std::vector<std::uint64_t> none;
  PieceHasher idle(none);
  idle.update("abcdef");
  EXPECT_TRUE(idle.finish().empty());
}

}  // namespace
}  // namespace hubrev
