#include "plugin/base/child_process.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

namespace hubrev {
namespace {

const std::vector<std::string>& environment() {
  static const std::vector<std::string> only = {"PATH=" + std::string(std::getenv("PATH")), "A=1"};
  return only;
}

ChildProcess run(const std::string& script) {
  auto child = ChildProcess::spawn({"sh", "-c", script}, environment());
  EXPECT_TRUE(child.ok()) << child.error().message;
  return std::move(child).value();
}

// Until its end.
std::string all_of(const Fd& fd) {
  std::string all;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
    if (got <= 0) return all;
    all.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

TEST(ChildProcess, HasItsStreamsAndItsEnvironmentAndNoOther) {
  ChildProcess child = run("cat; env | sort | grep -v -e ^_= -e ^PWD= -e ^PATH= -e ^SHLVL= >&2");
  EXPECT_EQ(child.write_some("hello"), 5u);
  child.close_input();
  EXPECT_EQ(all_of(child.output()), "hello");
  EXPECT_EQ(all_of(child.errors()), "A=1\n");
  EXPECT_EQ(child.reap(), "exit status 0");
  EXPECT_TRUE(child.has_ended());
  EXPECT_EQ(child.reap(), "");
}

TEST(ChildProcess, SaysHowItEnded) {
  EXPECT_EQ(run("exit 3").reap(), "exit status 3");
  EXPECT_EQ(run("kill -9 $$").reap(), "signal 9");
}

TEST(ChildProcess, AProgramThatIsNotThereIsAMistakeOfTheCaller) {
  const auto child = ChildProcess::spawn({"/no/such/program"}, environment());
  ASSERT_FALSE(child.ok());
  EXPECT_EQ(child.error().kind, ErrorKind::kConfig);
  EXPECT_EQ(child.error().message, "cannot start '/no/such/program': No such file or directory");
}

TEST(ChildProcess, WritingToOneThatDoesNotReadIsNoSignal) {
  ChildProcess child = run("exec 0<&-; echo closed; sleep 1000");
  std::array<char, 16> said{};
  ASSERT_GT(::read(child.output().get(), said.data(), said.size()), 0);
  EXPECT_EQ(child.write_some("x"), 1u) << "gone, but this process is not";
  EXPECT_FALSE(child.input());
  EXPECT_EQ(child.write_some("y"), 1u);
}

TEST(ChildProcess, WritingTakesNoLongerThanThereIsRoom) {
  ChildProcess child = run("sleep 1000");
  const std::string much(1 << 20, 'x');
  const std::size_t took = child.write_some(much);
  EXPECT_GT(took, 0u);
  EXPECT_LT(took, much.size());
  EXPECT_EQ(child.write_some(much), 0u);
}

// Python ignores SIGPIPE, and a program that inherited that would never notice a broken pipe.
TEST(ChildProcess, BeginsWithSignalsAsAProgramExpectsThem) {
  auto* const before = ::signal(SIGPIPE, SIG_IGN);
  ChildProcess child = run("kill -PIPE $$; echo survived");
  ::signal(SIGPIPE, before);
  EXPECT_EQ(all_of(child.output()), "");
  EXPECT_EQ(child.reap(), "signal " + std::to_string(SIGPIPE));
}

TEST(ChildProcess, ItsDestructorLeavesNothingOfItOrOfWhatItStarted) {
  Fd output;
  {
    ChildProcess child = run("trap '' TERM; sleep 1000 & echo started; wait");
    std::array<char, 16> said{};
    ASSERT_GT(::read(child.output().get(), said.data(), said.size()), 0);
    output = Fd(::dup(child.output().get()));
    EXPECT_FALSE(child.has_ended());
  }
  EXPECT_EQ(all_of(output), "") << "it ends, as nobody holds the other end any more";
}

TEST(ChildProcess, ItsInputEndsThoughAnotherProgramWasStartedMeanwhile) {
  ChildProcess first = run("cat");
  const ChildProcess second = run("sleep 1000");
  first.close_input();
  EXPECT_EQ(all_of(first.output()), "");
  EXPECT_EQ(first.reap(), "exit status 0");
}

}  // namespace
}  // namespace hubrev
