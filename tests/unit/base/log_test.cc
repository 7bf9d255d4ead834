#include "plugin/base/log.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <thread>
#include <vector>

#include "tests/support/temp_dir.h"

namespace hubrev {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

class LogTest : public ::testing::Test {
 protected:
  testing::TempDir temp_;
  const std::string path_ = temp_ / "worker.log";
  Log log_;
};

TEST_F(LogTest, WritesOneLinePerEventToAPrivateFile) {
  log_.write(LogLevel::kInfo, "dropped before open");
  ASSERT_TRUE(log_.open(path_).ok());
  log_.write(LogLevel::kWarning, "two\nlines\r");
  EXPECT_THAT(testing::TempDir::read(path_),
              MatchesRegex("....-..-..T..:..:..[.]...Z WARNING two lines \n"));
  struct stat info {};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(LogTest, AppendsToAnEarlierLog) {
  temp_.write("worker.log", "earlier\n");
  ASSERT_TRUE(log_.open(path_).ok());
  log_.write(LogLevel::kError, "later");
  EXPECT_THAT(testing::TempDir::read(path_), MatchesRegex("earlier\n.* ERROR later\n"));
}

TEST_F(LogTest, NeverWritesASecret) {
  ASSERT_TRUE(log_.open(path_).ok());
  log_.redact(Secret("hf_abc"));
  log_.redact(Secret("hf_abcdefgh"));  // begins with the other one
  log_.write(LogLevel::kError, "sent hf_abcdefgh and hf_abc, hf_abchf_abc, HF_ABC");
  EXPECT_THAT(testing::TempDir::read(path_), HasSubstr("sent *** and ***, ******, HF_ABC\n"));
  EXPECT_EQ(log_.redacted("hf_abcdefgh"), "***");
}

TEST_F(LogTest, AValueTooShortForATokenBlanksNothing) {
  log_.redact(Secret(""));
  log_.redact(Secret("a"));
  log_.redact(Secret("abc"));
  EXPECT_EQ(log_.redacted("abc abc"), "abc abc");
}

TEST_F(LogTest, ASecretOfStarsEnds) {
  log_.redact(Secret("****"));
  EXPECT_THAT(log_.redacted(std::string(50, '*')), Not(HasSubstr("****")));
}

TEST_F(LogTest, APathThatCannotBeOpenedIsAnError) {
  const Status opened = log_.open(temp_ / "missing/worker.log");
  ASSERT_FALSE(opened.ok());
  EXPECT_THAT(opened.error().message, HasSubstr("missing/worker.log"));
  log_.write(LogLevel::kInfo, "dropped");
}

TEST_F(LogTest, LinesOfSeveralThreadsStayWhole) {
  ASSERT_TRUE(log_.open(path_).ok());
  const std::string text(200, 'x');
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 100; ++i) log_.write(LogLevel::kInfo, text);
      });
    }
  }
  std::ifstream file(path_);
  int lines = 0;
  for (std::string line; std::getline(file, line); ++lines) {
    ASSERT_TRUE(line.ends_with(" INFO " + text)) << line;
  }
  EXPECT_EQ(lines, 400);
}

}  // namespace
}  // namespace hubrev
