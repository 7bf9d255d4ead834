#include "plugin/base/sha256.h"

#include <gtest/gtest.h>

#include <string>

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

}  // namespace
}  // namespace hubrev
