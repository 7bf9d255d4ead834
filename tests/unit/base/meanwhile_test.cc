#include "plugin/base/meanwhile.h"

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

namespace hubrev {
namespace {

// Blocks until a stop is requested.
Result<int> wait_for_stop(const std::stop_token& stop) {
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any changed;
  changed.wait(lock, stop, [] { return false; });
  return make_error(ErrorKind::kCancelled, "stopped");
}

TEST(Meanwhile, AsksOnAThreadOfItsOwn) {
  std::promise<void> begun;
  Meanwhile<std::thread::id> asked({}, [&](const std::stop_token&) -> Result<std::thread::id> {
    begun.set_value();
    return std::this_thread::get_id();
  });
  // It runs although nobody has asked for its answer.
  ASSERT_EQ(begun.get_future().wait_for(std::chrono::minutes(1)), std::future_status::ready);
  const auto answer = asked.answer();
  ASSERT_TRUE(answer.ok());
  EXPECT_NE(*answer, std::this_thread::get_id());
}

TEST(Meanwhile, HandsOnAnError) {
  Meanwhile<int> asked({}, [](const std::stop_token&) -> Result<int> {
    return make_error(ErrorKind::kNotFound, "nowhere");
  });
  const auto answer = asked.answer();
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, ErrorKind::kNotFound);
}

TEST(Meanwhile, TheCallersStopReachesIt) {
  std::stop_source source;
  Meanwhile<int> asked(source.get_token(), wait_for_stop);
  source.request_stop();
  EXPECT_EQ(asked.answer().error().kind, ErrorKind::kCancelled);
}

TEST(Meanwhile, AnAnswerThatNobodyTakesIsGivenUp) {
  bool ended = false;
  {
    const Meanwhile<int> asked({}, [&](const std::stop_token& stop) {
      auto answer = wait_for_stop(stop);
      ended = true;
      return answer;
    });
  }
  EXPECT_TRUE(ended);
}

}  // namespace
}  // namespace hubrev
