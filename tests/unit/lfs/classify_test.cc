#include "plugin/lfs/classify.h"

#include <gtest/gtest.h>

#include "plugin/lfs/pointer.h"
#include "tests/support/temp_dir.h"

namespace hubrev {
namespace {

using testing::TempDir;
using namespace std::string_literals;

Storage storage_of(const std::string& path, std::string bytes) {
  const auto storage = classify({path, Source::from_bytes(std::move(bytes))});
  EXPECT_TRUE(storage.ok()) << path;
  return storage.ok() ? *storage : Storage::kLfs;
}

TEST(Classify, TextIsGitAndEverythingElseIsLfs) {
  struct Row {
    const char* name;
    std::string bytes;
    Storage expected;
  };
  const Row rows[] = {
      {"ascii", "{\"a\": 1}\n", Storage::kGit},
      {"tabs and line ends", "a\tb\r\nc\f", Storage::kGit},
      {"two bytes", "\xC3\xA9", Storage::kGit},
      {"three bytes", "\xE2\x96\x81the", Storage::kGit},
      {"four bytes", "\xF0\x9F\xA4\x97", Storage::kGit},
      {"last code point", "\xF4\x8F\xBF\xBF", Storage::kGit},
      {"byte order mark", "\xEF\xBB\xBFtext", Storage::kGit},
      {"nul", "text\0text"s, Storage::kLfs},
      {"escape", "\x1B[0m", Storage::kLfs},
      {"delete", "a\x7F", Storage::kLfs},
      {"latin-1", "caf\xE9", Storage::kLfs},
      {"lone continuation", "a\x80", Storage::kLfs},
      {"cut off at the end", "a\xE2\x96", Storage::kLfs},
      {"cut off inside", "\xE2\x96 a", Storage::kLfs},
      {"overlong two", "\xC0\xAF", Storage::kLfs},
      {"overlong three", "\xE0\x80\xAF", Storage::kLfs},
      {"overlong four", "\xF0\x80\x80\xAF", Storage::kLfs},
      {"surrogate", "\xED\xA0\x80", Storage::kLfs},
      {"beyond unicode", "\xF4\x90\x80\x80", Storage::kLfs},
      {"utf-16", "\xFF\xFEh\0i\0"s, Storage::kLfs},
      {"another file's pointer", pointer_text({}, 7), Storage::kLfs},
      {"one bad byte at the very end", std::string(3 << 20, 'a') + "\0"s, Storage::kLfs},
  };
  for (const Row& row : rows)
    EXPECT_EQ(storage_of("file.json", row.bytes), row.expected) << row.name;
}

TEST(Classify, TheHubsDefaultRulesWinOverContent) {
  for (const char* path :
       {"a.bin", "tokenizer.model", "deep/er/x.safetensors", "saved_model/v/a.txt",
        "events.out.tfevents.17.host", "x.tar.md", "a.lfs.json"}) {
    EXPECT_EQ(storage_of(path, "text"), Storage::kLfs) << path;
  }
  for (const char* path :
       {"a.BIN", "bin", "a.bin.json", "model", "x/saved_model/v/a.txt", ".metadata"}) {
    EXPECT_EQ(storage_of(path, "text"), Storage::kGit) << path;
  }
}

TEST(Classify, EmptyFilesAreGitWhateverTheirName) {
  EXPECT_EQ(storage_of("a.bin", ""), Storage::kGit);
  EXPECT_EQ(storage_of("a.txt", ""), Storage::kGit);
}

TEST(Classify, TextUpToTenMebibytesIsGit) {
  constexpr std::size_t kLimit = 10 << 20;
  EXPECT_EQ(storage_of("tokenizer.json", std::string(kLimit, 'a')), Storage::kGit);
  EXPECT_EQ(storage_of("tokenizer.json", std::string(kLimit + 1, 'a')), Storage::kLfs);
}

TEST(Classify, DoesNotOpenWhatItsNameOrSizeDecides) {
  EXPECT_TRUE(classify({"model.safetensors", Source::from_file("/nowhere/x", 9)}).ok());
  EXPECT_TRUE(classify({"big.json", Source::from_file("/nowhere/x", 11 << 20)}).ok());
}

TEST(Classify, AFileThatCannotBeReadIsAnErrorThatNamesIt) {
  const auto missing = classify({"config.json", Source::from_file("/nowhere/x", 9)});
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().kind, ErrorKind::kIo);
  EXPECT_NE(missing.error().message.find("config.json"), std::string::npos);

  const TempDir dir;
  const auto cut = classify({"config.json", Source::from_file(dir.write("c", "abc"), 9)});
  ASSERT_FALSE(cut.ok());
  EXPECT_EQ(cut.error().kind, ErrorKind::kCorrupt);
}

}  // namespace
}  // namespace hubrev
