#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "plugin/spool/spool.h"
#include "tests/support/temp_dir.h"

namespace hubrev {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// What a child process that ends with `code` saw; -1 when it died otherwise.
int wait_for(pid_t child) {
  int status = 0;
  if (::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

// Runs `check` in a forked child; whether it returned true there.
template <typename Check>
bool true_in_child(const Check& check) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(check() ? 42 : 1);
  return wait_for(child) == 42;
}

class Lock : public ::testing::Test {
 protected:
  testing::TempDir temp_;
  const std::string root_ = temp_ / "spool";
};

TEST_F(Lock, ASecondOwnerInTheSameProcessIsRefused) {
  const auto first = Spool::open(root_);
  ASSERT_TRUE(first.ok()) << first.error().message;
  const auto second = Spool::open(root_ + "/../spool/");
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().kind, ErrorKind::kConfig);
  EXPECT_THAT(second.error().message, AllOf(HasSubstr(root_), HasSubstr("this process"),
                                            HasSubstr(std::to_string(::getpid()))));
}

TEST_F(Lock, ARefusedSecondOwnerDoesNotLoosenTheLock) {
  const auto first = Spool::open(root_);
  ASSERT_TRUE(first.ok());
  ASSERT_FALSE(Spool::open(root_).ok());
  EXPECT_TRUE(true_in_child([&] { return !Spool::open(root_).ok(); }));
}

TEST_F(Lock, AnotherProcessIsToldWhoHoldsIt) {
  const auto owner = Spool::open(root_);
  ASSERT_TRUE(owner.ok());
  const std::string pid = std::to_string(::getpid());
  EXPECT_TRUE(true_in_child([&] {
    const auto other = Spool::open(root_);
    return !other.ok() && other.error().kind == ErrorKind::kConfig &&
           other.error().message.find("process " + pid) != std::string::npos;
  }));
}

TEST_F(Lock, EndsWithTheObject) {
  { ASSERT_TRUE(Spool::open(root_).ok()); }
  EXPECT_TRUE(Spool::open(root_).ok());
}

TEST_F(Lock, MovesWithTheObject) {
  auto first = Spool::open(root_);
  ASSERT_TRUE(first.ok());
  auto moved = std::make_unique<Spool>(std::move(first).value());
  EXPECT_FALSE(Spool::open(root_).ok());
  moved.reset();
  EXPECT_TRUE(Spool::open(root_).ok());
}

TEST_F(Lock, EndsWithAKilledProcess) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto spool = Spool::open(root_);
    const char answer = spool.ok() ? 'y' : 'n';
    if (::write(ready[1], &answer, 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char answer = 0;
  ASSERT_EQ(::read(ready[0], &answer, 1), 1);
  ::close(ready[0]);
  ::close(ready[1]);
  EXPECT_EQ(answer, 'y');
  EXPECT_FALSE(Spool::open(root_).ok());
  ::kill(child, SIGKILL);
  wait_for(child);
  EXPECT_TRUE(Spool::open(root_).ok());
}

TEST_F(Lock, AForkedChildNeitherHoldsNorLoosensIt) {
  auto owner = std::make_unique<Spool>(Spool::open(root_).value());
  EXPECT_TRUE(true_in_child([&] {
    owner.reset();  // what the child inherited
    return true;
  }));
  EXPECT_TRUE(true_in_child([&] { return !Spool::open(root_).ok(); }));
  // A child that lives on does not keep the lock: the parent's end frees it.
  int hold[2];
  ASSERT_EQ(::pipe(hold), 0);
  const pid_t survivor = ::fork();
  if (survivor == 0) {
    ::close(hold[1]);
    char end = 0;
    ::_exit(::read(hold[0], &end, 1) == 0 ? 42 : 1);
  }
  ::close(hold[0]);
  owner.reset();
  EXPECT_TRUE(true_in_child([&] { return Spool::open(root_).ok(); }));
  ::close(hold[1]);
  EXPECT_EQ(wait_for(survivor), 42);
}

TEST_F(Lock, WhoSubmitsAndWhoPushesShareASpool) {
  const auto submits = Spool::open(root_, Mode::kSpool);
  ASSERT_TRUE(submits.ok()) << submits.error().message;
  const auto pushes = Spool::open(root_, Mode::kSync);
  ASSERT_TRUE(pushes.ok()) << pushes.error().message;
  EXPECT_FALSE(Spool::open(root_, Mode::kSync).ok());
  EXPECT_FALSE(Spool::open(root_, Mode::kPush).ok());
  const auto second = Spool::open(root_, Mode::kSpool);
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.error().message, HasSubstr("which saves checkpoints into it"));
}

TEST_F(Lock, TheOtherRightIsBorrowedWhileNobodyHasIt) {
  auto submits = Spool::open(root_, Mode::kSpool).value();
  EXPECT_TRUE(submits.borrow(SpoolRight::kSubmit).has_value());
  {
    const auto borrowed = submits.borrow(SpoolRight::kPush);
    ASSERT_TRUE(borrowed.has_value());
    EXPECT_FALSE(SpoolLock::borrow(root_, SpoolRight::kPush).has_value());
  }
  auto pushes = Spool::open(root_, Mode::kSync).value();
  EXPECT_FALSE(submits.borrow(SpoolRight::kPush).has_value());
  EXPECT_FALSE(pushes.borrow(SpoolRight::kSubmit).has_value());
  submits.release();
  EXPECT_TRUE(pushes.borrow(SpoolRight::kSubmit).has_value());
}

TEST_F(Lock, WhatIsOnlyBorrowedIsWaitedFor) {
  auto submits = Spool::open(root_, Mode::kSpool).value();
  std::promise<bool> borrowed;
  std::thread borrower([&] {
    const auto right = submits.borrow(SpoolRight::kPush);
    borrowed.set_value(right.has_value());
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  });
  EXPECT_TRUE(borrowed.get_future().get());
  EXPECT_TRUE(Spool::open(root_, Mode::kSync).ok());
  borrower.join();
}

// Any descriptor of the lock's file that its process closes ends the lock.
TEST_F(Lock, IsRespectedWhereItsHolderLostItAndLives) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto spool = Spool::open(root_);
    ::close(::open((root_ + "/lock").c_str(), O_RDONLY));  // as a copy of the folder does
    ::close(::open((root_ + "/lock.submit").c_str(), O_RDONLY));
    if (::write(ready[1], "y", 1) != 1) ::_exit(1);
    for (;;) {
      if (spool.ok()) spool->beat();
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  }
  char answer = 0;
  ASSERT_EQ(::read(ready[0], &answer, 1), 1);
  ::close(ready[0]);
  ::close(ready[1]);
  const bool borrowed = SpoolLock::borrow(root_, SpoolRight::kPush).has_value();
  const std::string told = [&] {
    const auto other = Spool::open(root_);
    return other.ok() ? "" : other.error().message;
  }();
  ::kill(child, SIGKILL);
  wait_for(child);
  EXPECT_FALSE(borrowed);
  EXPECT_THAT(told, HasSubstr("process " + std::to_string(child)));
  EXPECT_TRUE(Spool::open(root_).ok());
}

// Its number belongs to somebody else by now.
TEST_F(Lock, OfAProcessThatWasNotHeardOfForLongIsTaken) {
  ASSERT_EQ(::mkdir(root_.c_str(), 0700), 0);
  std::array<char, 256> host{};
  ASSERT_EQ(::gethostname(host.data(), host.size() - 1), 0);
  temp_.write("spool/lock", std::string(host.data()) + " 1\n");
  EXPECT_FALSE(SpoolLock::borrow(root_, SpoolRight::kPush).has_value());
  const timespec long_ago[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (root_ + "/lock").c_str(), long_ago, 0), 0);
  EXPECT_TRUE(SpoolLock::borrow(root_, SpoolRight::kPush).has_value());
}

// As where the file system's locks do not reach other machines: the lock is to be had here.
class ForeignLock : public Lock {
 protected:
  void SetUp() override {
    ASSERT_EQ(::mkdir(root_.c_str(), 0700), 0);
    temp_.write("spool/lock", "elsewhere 4711\n");
  }
  const std::string path_ = root_ + "/lock";
};

TEST_F(ForeignLock, OfAMachineWhoseHeartBeatsIsRespected) {
  const std::jthread beats([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      ::utimensat(AT_FDCWD, path_.c_str(), nullptr, 0);
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  });
  const auto spool = Spool::open(root_);
  ASSERT_FALSE(spool.ok());
  EXPECT_THAT(spool.error().message, HasSubstr("process 4711 on elsewhere"));
}

TEST_F(ForeignLock, OfADeadMachineIsTaken) {
  EXPECT_TRUE(Spool::open(root_).ok());
}

}  // namespace
}  // namespace hubrev
