#include "plugin/lfs/pointer.h"

#include <gtest/gtest.h>

#include "plugin/base/sha256.h"

namespace hubrev {
namespace {

// sha256("hello\n") and the pointer that git-lfs makes of it.
constexpr const char* kGolden =
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03\n"
    "size 6\n";

TEST(Pointer, IsWordForWordWhatGitLfsWrites) {
  EXPECT_EQ(pointer_text(sha256("hello\n"), 6), kGolden);
}

TEST(Pointer, ComesBackAsItWas) {
  for (const std::uint64_t size :
       {std::uint64_t{1}, std::uint64_t{5'000'000'000}, ~std::uint64_t{0}}) {
    const auto parsed = parse_pointer(pointer_text(sha256("x"), size));
    ASSERT_TRUE(parsed) << size;
    EXPECT_EQ(*parsed, (LfsPointer{sha256("x"), size}));
  }
}

TEST(Pointer, AcceptsExtensionsInOrder) {
  std::string text = kGolden;
  text.insert(text.find("oid"), "ext-0-foo sha256:" + sha256("y").hex() + "\n");
  EXPECT_TRUE(parse_pointer(text));
}

TEST(Pointer, OrdinaryTextIsNoPointer) {
  const std::string version = "version https://git-lfs.github.com/spec/v1\n";
  const std::string oid = "oid sha256:" + sha256("x").hex() + "\n";
  const std::string rows[] = {
      "",
      "hello",
      version,
      version + oid,
      version + "size 6\n",
      version + oid + "size 6",      // no end of line
      version + oid + "size 6\n\n",  // an empty line
      version + oid + "size 6\r\n",
      version + oid + "size -6\n",
      version + oid + "size 6 \n",
      version + oid + "size\n",
      version + oid + "size 99999999999999999999\n",
      version + "size 6\n" + oid,        // out of order
      version + oid + oid + "size 6\n",  // twice
      version + oid + "size 6\nsize 6\n",
      version + oid + "size 6\nand this is how a pointer looks\n",
      version + oid + "Size 6\n",
      version + "oid sha256:abc\nsize 6\n",
      version + "oid md5:" + sha256("x").hex() + "\nsize 6\n",
      version + "oid sha256:" + std::string(64, 'A') + "\nsize 6\n",
      oid + "size 6\n" + version,
      " " + version + oid + "size 6\n",
      "\xEF\xBB\xBF" + version + oid + "size 6\n",
      "version https://git-lfs.github.com/spec/v2\n" + oid + "size 6\n",
      version + "ext-0-foo " + std::string(1024, 'x') + "\n" + oid + "size 6\n",  // too long
  };
  for (const std::string& row : rows) EXPECT_FALSE(parse_pointer(row)) << row;
}

TEST(Pointer, NoPrefixOfAPointerIsOne) {
  const std::string_view golden = kGolden;
  for (std::size_t length = 0; length < golden.size(); ++length) {
    EXPECT_FALSE(parse_pointer(golden.substr(0, length))) << length;
  }
}

}  // namespace
}  // namespace hubrev
