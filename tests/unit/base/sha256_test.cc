#include "plugin/base/sha256.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace hubrev {
namespace {

// FIPS 180-4 examples of NIST.
TEST(Sha256, KnownVectors) {
  EXPECT_EQ(sha256("").hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc").hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq").hex(),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256(std::string(1'000'000, 'a')).hex(),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PiecesMakeTheSameDigest) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += static_cast<char>(i);
  for (const std::size_t cut : {std::size_t{0}, std::size_t{1}, std::size_t{63}, std::size_t{64},
                                std::size_t{65}, std::size_t{300}}) {
    Sha256Hasher hasher;
    hasher.update(std::string_view(text).substr(0, cut));
    hasher.update("");
    hasher.update(std::string_view(text).substr(cut));
    EXPECT_EQ(hasher.finish(), sha256(text)) << cut;
  }
}

// Bytes that differ from one message to the next.
std::string message(std::size_t size, unsigned seed) {
  std::string text(size, '\0');
  for (char& c : text) {
    seed = seed * 1664525 + 1013904223;
    c = static_cast<char>(seed >> 24);
  }
  return text;
}

// Feeds up to kMostTogether messages in pieces of at most `piece` bytes.
std::vector<Sha256> together(const std::vector<std::string>& messages, std::size_t piece) {
  std::vector<Sha256Hasher> hashers(messages.size());
  std::vector<Sha256Hasher*> each;
  std::size_t longest = 0;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    each.push_back(&hashers[i]);
    longest = std::max(longest, messages[i].size());
  }
  for (std::size_t at = 0; at < longest; at += piece) {
    std::vector<std::string_view> bytes;
    for (const std::string& text : messages) {
      bytes.push_back(std::string_view(text).substr(std::min(at, text.size()), piece));
    }
    Sha256Hasher::update_together(each, bytes);
  }
  std::vector<Sha256> digests;
  for (Sha256Hasher& hasher : hashers) digests.push_back(hasher.finish());
  return digests;
}

TEST(Sha256Together, TheSameDigestsAsOneByOne) {
  constexpr std::size_t kSizes[] = {0, 1, 63, 64, 65, 128, 1000, 4096, 70'000};
  for (const std::size_t a : kSizes) {
    for (const std::size_t b : kSizes) {
      for (const std::size_t c : kSizes) {
        const std::vector<std::string> messages = {message(a, 1), message(b, 2), message(c, 3)};
        const std::vector<Sha256> one_by_one = {sha256(messages[0]), sha256(messages[1]),
                                                sha256(messages[2])};
        for (const std::size_t piece : {std::size_t{100'000}, std::size_t{4096}, std::size_t{77}}) {
          if (piece == 77 && a + b + c > 10'000) continue;  // slow, and nothing new
          EXPECT_EQ(together(messages, piece), one_by_one) << a << ' ' << b << ' ' << c;
        }
        const std::vector<std::string> two = {messages[0], messages[1]};
        EXPECT_EQ(together(two, 4096), std::vector(one_by_one.begin(), one_by_one.begin() + 2));
        EXPECT_EQ(together({messages[0]}, 4096).front(), one_by_one.front());
      }
    }
  }
}

// The length in bits, which ends each message, is counted in two words of 32 bits.
TEST(Sha256Together, MessagesAboveFourGibibits) {
  const std::string block = message(1 << 20, 4);
  Sha256Hasher a;
  Sha256Hasher b;
  Sha256Hasher alone;
  Sha256Hasher* const both[] = {&a, &b};
  for (int i = 0; i < 520; ++i) {
    Sha256Hasher::update_together(both, std::vector<std::string_view>{block, block});
    alone.update(block);
  }
  const Sha256 expected = alone.finish();
  EXPECT_EQ(a.finish(), expected);
  EXPECT_EQ(b.finish(), expected);
}

}  // namespace
}  // namespace hubrev
