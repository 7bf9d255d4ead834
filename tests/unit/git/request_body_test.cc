#include "plugin/git/request_body.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/temp_dir.h"

namespace hubrev::testing {
namespace {

TEST(RequestBody, IsTheSameOnEitherSideOfTheLimit) {
  constexpr std::size_t kLimit = 8u << 20;
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kLimit, kLimit + 1, 3 * kLimit}) {
    const TempDir dir;
    RequestBody body(dir.path().string());
    std::string expected;
    for (char fill = 'a'; expected.size() < size; fill = fill == 'z' ? 'a' : char(fill + 1)) {
      const std::string piece(std::min<std::size_t>(size - expected.size(), 999'983), fill);
      ASSERT_TRUE(body.append(piece).ok());
      expected += piece;
    }
    const Source source = body.source();
    EXPECT_EQ(source.size(), size);
    EXPECT_TRUE(source.read_all(4 * kLimit).value() == expected) << size;
    EXPECT_TRUE(source.read_all(4 * kLimit).value() == expected) << size << ", read again";
    EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
  }
}

TEST(RequestBody, NamesTheFolderItCannotWriteTo) {
  RequestBody body("/nonexistent/folder");
  ASSERT_TRUE(body.append("small").ok());
  const Status status = body.append(std::string(9u << 20, 'x'));
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorKind::kIo);
  EXPECT_NE(status.error().message.find("/nonexistent/folder"), std::string::npos);
}

}  // namespace
}  // namespace hubrev::testing
