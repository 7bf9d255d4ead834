#include "plugin/base/xxh3.h"

#include <gtest/gtest.h>

#include <string>

namespace hubrev {
namespace {

// The empty digest: source, the XXH3_128bits test vectors of xxHash (seed 0).
TEST(Xxh3, HashesAsTheLibraryDefines) {
  EXPECT_EQ(xxh3("").hex(), "99aa06d3014798d86001c324468d497f");
  EXPECT_NE(xxh3("a"), xxh3("b"));
}

TEST(Xxh3, IsTheSameHoweverTheBytesCome) {
  std::string bytes;
  for (int i = 0; i < 5000; ++i) bytes += static_cast<char>(i * 7 % 251);
  Xxh3Hasher hasher;
  for (int again = 0; again < 2; ++again) {
    for (std::size_t at = 0; at < bytes.size(); at += 999) {
      hasher.update(std::string_view(bytes).substr(at, 999));
    }
    EXPECT_EQ(hasher.finish(), xxh3(bytes)) << again;
  }
}

}  // namespace
}  // namespace hubrev
