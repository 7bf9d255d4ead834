#include "plugin/types/source.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "tests/support/temp_dir.h"

namespace hubrev {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kLimit = 1 << 20;

std::string read(SourceReader& reader, std::size_t at_once) {
  std::string all;
  std::string buffer(at_once, '\0');
  for (;;) {
    const auto got = reader.read(buffer);
    EXPECT_TRUE(got.ok());
    if (!got.ok() || got.value() == 0) return all;
    all.append(buffer, 0, got.value());
  }
}

class SourceTest : public ::testing::Test {
 protected:
  SourceTest() : path_(temp_.write("file", "0123456789")), other_(temp_.write("other", "abcdef")) {}

  // "MEM" + "2345" + "abcdef" + "" + "x"
  Source mixed() const {
    return Source::concatenate({Source::from_bytes("MEM"), Source::from_range({path_, 2, 4}),
                                Source::from_file(other_, 6), Source(), Source::from_bytes("x")});
  }

  testing::TempDir temp_;
  const std::string path_;
  const std::string other_;
  const std::string whole_ = "MEM2345abcdefx";
};

TEST_F(SourceTest, KnowsItsSizeWithoutOpening) {
  EXPECT_EQ(Source().size(), 0u);
  EXPECT_EQ(Source::from_bytes("abc").size(), 3u);
  EXPECT_EQ(Source::from_file("/nonexistent", 7).size(), 7u);
  EXPECT_EQ(Source::from_range({"/nonexistent", 5, 2}).size(), 2u);
  EXPECT_EQ(mixed().size(), whole_.size());
}

TEST_F(SourceTest, ReadsItsPartsInARow) {
  for (const std::size_t at_once :
       {std::size_t{1}, std::size_t{2}, std::size_t{5}, std::size_t{99}}) {
    SourceReader reader = mixed().open();
    EXPECT_EQ(read(reader, at_once), whole_) << at_once;
  }
  EXPECT_EQ(mixed().read_all(kLimit).value(), whole_);
  EXPECT_EQ(Source().read_all(kLimit).value(), "");
}

TEST_F(SourceTest, EverySliceAndSubrangeIsThatPartOfTheWhole) {
  const Source source = mixed();
  for (std::size_t offset = 0; offset <= whole_.size(); ++offset) {
    for (std::size_t length = 0; offset + length <= whole_.size(); ++length) {
      const std::string expected = whole_.substr(offset, length);
      SourceReader slice = source.slice(offset, length);
      ASSERT_EQ(read(slice, 3), expected) << offset << "+" << length;
      const Source part = source.subrange(offset, length);
      ASSERT_EQ(part.size(), length);
      ASSERT_EQ(part.read_all(kLimit).value(), expected) << offset << "+" << length;
    }
  }
}

TEST_F(SourceTest, SubrangesOfSubrangesAndOfSums) {
  const Source inner = mixed().subrange(2, 9);  // "M2345abcd"
  EXPECT_EQ(inner.subrange(1, 6).read_all(kLimit).value(), "2345ab");
  const Source twice = Source::concatenate({inner, inner});
  EXPECT_EQ(twice.subrange(7, 4).read_all(kLimit).value(), "cdM2");
}

TEST_F(SourceTest, RewindsToTheStartOfTheSlice) {
  SourceReader reader = mixed().slice(4, 5);
  std::string buffer(3, '\0');
  ASSERT_EQ(reader.read(buffer).value(), 3u);
  reader.rewind();
  EXPECT_EQ(read(reader, 2), "345ab");
  reader.rewind();
  EXPECT_EQ(read(reader, 100), "345ab");
}

TEST_F(SourceTest, ReadersAreIndependentAndOutliveTheSource) {
  auto source = std::make_unique<Source>(mixed());
  SourceReader first = source->open();
  SourceReader second = source->open();
  source.reset();
  std::string buffer(4, '\0');
  ASSERT_TRUE(first.read(buffer).ok());
  EXPECT_EQ(read(second, 4), whole_);
}

TEST_F(SourceTest, AnEmptyBufferReadsNothingAndEndsNothing) {
  SourceReader reader = mixed().open();
  EXPECT_EQ(reader.read({}).value(), 0u);
  EXPECT_EQ(read(reader, 5), whole_);
}

TEST_F(SourceTest, ATruncatedFileIsCorrupt) {
  const Source source = Source::from_file(path_, 10);
  std::filesystem::resize_file(path_, 4);
  SourceReader reader = source.open();
  std::string buffer(100, '\0');
  EXPECT_EQ(reader.read(buffer).value(), 4u);
  const auto rest = reader.read(buffer);
  ASSERT_FALSE(rest.ok());
  EXPECT_EQ(rest.error().kind, ErrorKind::kCorrupt);
  EXPECT_THAT(rest.error().message, HasSubstr("changed while pending"));
  EXPECT_THAT(rest.error().message, HasSubstr(path_));
  EXPECT_EQ(source.read_all(kLimit).error().kind, ErrorKind::kCorrupt);
  EXPECT_EQ(Source::from_range({path_, 8, 1}).read_all(kLimit).error().kind, ErrorKind::kCorrupt);
}

TEST_F(SourceTest, AFileThatGrewIsReadAsPromised) {
  const Source source = Source::from_file(path_, 10);
  temp_.write("file", "0123456789 and more");
  EXPECT_EQ(source.read_all(kLimit).value(), "0123456789");
}

TEST_F(SourceTest, AMissingFileIsAnIoError) {
  const auto bytes = Source::from_file(temp_ / "missing", 3).read_all(kLimit);
  ASSERT_FALSE(bytes.ok());
  EXPECT_EQ(bytes.error().kind, ErrorKind::kIo);
  EXPECT_THAT(bytes.error().message, HasSubstr("missing"));
}

TEST_F(SourceTest, ReadAllHasALimit) {
  EXPECT_TRUE(mixed().read_all(whole_.size()).ok());
  const auto over = mixed().read_all(whole_.size() - 1);
  ASSERT_FALSE(over.ok());
  EXPECT_EQ(over.error().kind, ErrorKind::kInvalidInput);
}

TEST_F(SourceTest, OffsetsBeyondFourGigabytes) {
  const std::string sparse = temp_.write("sparse", "");
  constexpr std::uint64_t kSize = 5ull << 30;
  std::filesystem::resize_file(sparse, kSize);
  {
    std::fstream file(sparse, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(kSize - 3));
    file << "end";
  }
  const Source source =
      Source::concatenate({Source::from_bytes("h"), Source::from_file(sparse, kSize)});
  EXPECT_EQ(source.size(), kSize + 1);
  EXPECT_EQ(source.subrange(kSize - 3, 4).read_all(kLimit).value(), std::string("\0end", 4));
}

}  // namespace
}  // namespace hubrev
