#include "plugin/lfs/piece_hasher.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
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

std::string samples_of(const std::string& piece) {
  std::string samples;
  for (std::size_t at = 0; at < piece.size(); at += PieceHasher::kBlock) {
    samples += piece.substr(at, PieceHasher::kSampled);
  }
  return samples;
}

TEST(PieceHasher, LooksAtSamplesOfALargePieceHoweverTheBytesCome) {
  std::string bytes(200'001, '\0');
  std::minstd_rand random(1);
  for (char& byte : bytes) byte = static_cast<char>(random());
  const std::vector<std::uint64_t> lengths = {7, PieceHasher::kWholeUpTo,
                                              bytes.size() - 7 - PieceHasher::kWholeUpTo};
  const std::string large = bytes.substr(7 + PieceHasher::kWholeUpTo);
  const std::vector<Xxh3> expected = {xxh3(bytes.substr(0, 7)),
                                      xxh3(bytes.substr(7, PieceHasher::kWholeUpTo)),
                                      xxh3(samples_of(large))};
  constexpr std::array<std::size_t, 9> kSteps = {1, 63, 64, 65, 2047, 2048, 2049, 70'000, 200'001};
  for (const std::size_t step : kSteps) {
    PieceHasher hasher(lengths);
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      hasher.update(std::string_view(bytes).substr(at, step));
    }
    EXPECT_EQ(hasher.finish(), expected) << step;
  }
}

TEST(PieceHasher, SeesAChangedRowWhereverItIs) {
  const std::vector<std::uint64_t> lengths = {1 << 20};
  const std::string before(1 << 20, 'a');
  PieceHasher hasher(lengths);
  hasher.update(before);
  const std::vector<Xxh3> digests = hasher.finish();
  for (std::size_t row = 0; row < before.size(); row += 100 * PieceHasher::kBlock + 777) {
    std::string after = before;
    for (std::size_t i = row; i < std::min(row + PieceHasher::kBlock, after.size()); ++i) {
      after[i] = 'b';
    }
    PieceHasher again(lengths);
    again.update(after);
    EXPECT_NE(again.finish(), digests) << row;
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
