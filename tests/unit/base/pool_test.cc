#include "plugin/base/pool.h"

#include <gmock/gmock.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <latch>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>

#include "plugin/base/clock.h"

namespace hubrev {
namespace {

using ::testing::HasSubstr;

TEST(ThreadPool, RunAllAnswersInTheOrderOfTheTasks) {
  ThreadPool pool(3, ThreadPriority::kNormal);
  std::vector<std::function<Status()>> tasks;
  for (int i = 0; i < 50; ++i) {
    tasks.emplace_back([i]() -> Status {
      if (i % 2 == 0) return {};
      return make_error(ErrorKind::kIo, std::to_string(i));
    });
  }
  const std::vector<Status> results = pool.run_all(std::move(tasks), {});
  ASSERT_EQ(results.size(), 50u);
  for (int i = 0; i < 50; ++i) {
    const Status& result = results[static_cast<std::size_t>(i)];
    ASSERT_EQ(result.ok(), i % 2 == 0) << i;
    if (!result.ok()) {
      EXPECT_EQ(result.error().message, std::to_string(i));
    }
  }
}

TEST(ThreadPool, TheFirstErrorStopsTheOthers) {
  ThreadPool pool(2, ThreadPriority::kNormal);
  std::latch begun(2);
  std::vector<StoppableTask> tasks;
  tasks.emplace_back([&](const std::stop_token& stop) -> Status {
    begun.arrive_and_wait();
    return system_clock().sleep_for(std::chrono::hours(1), stop);
  });
  tasks.emplace_back([&](const std::stop_token&) -> Status {
    begun.arrive_and_wait();
    return make_error(ErrorKind::kIo, "the reason");
  });
  for (int i = 0; i < 20; ++i) {
    tasks.emplace_back([](const std::stop_token&) -> Status {
      ADD_FAILURE() << "begun after the error";
      return {};
    });
  }
  const Status outcome = pool.run_until_error(std::move(tasks), {});
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().message, "the reason");
}

TEST(ThreadPool, ATaskThatThrowsStopsTheOthers) {
  ThreadPool pool(2, ThreadPriority::kNormal);
  const Status outcome = pool.run_until_error(
      {[](const std::stop_token& own) {
         return system_clock().sleep_for(std::chrono::hours(1), own);
       },
       [](const std::stop_token&) -> Status { throw std::runtime_error("what happened"); }},
      {});
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().kind, ErrorKind::kInternal);
}

TEST(ThreadPool, TheCallersStopStopsAll) {
  ThreadPool pool(2, ThreadPriority::kNormal);
  std::stop_source stop;
  const Status outcome =
      pool.run_until_error({[&](const std::stop_token& own) -> Status {
                             stop.request_stop();
                             return system_clock().sleep_for(std::chrono::hours(1), own);
                           }},
                           stop.get_token());
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().kind, ErrorKind::kCancelled);
}

// Policy and nice value that a pool's thread has.
std::pair<int, int> scheduling_of(ThreadPriority priority) {
  ThreadPool pool(1, priority);
  std::pair<int, int> found;
  pool.run_all({[&]() -> Status {
                 const auto tid = static_cast<id_t>(::syscall(SYS_gettid));
                 found = {::sched_getscheduler(0), ::getpriority(PRIO_PROCESS, tid)};
                 return {};
               }},
               {});
  return found;
}

TEST(ThreadPool, APriorityIsThatOfItsThreads) {
  const auto [policy, nice] = scheduling_of(ThreadPriority::kNormal);
  EXPECT_EQ(policy, ::sched_getscheduler(0));
  EXPECT_EQ(nice, ::getpriority(PRIO_PROCESS, 0));
  const auto low = scheduling_of(ThreadPriority::kLow);
  EXPECT_EQ(low.first, SCHED_BATCH);
  EXPECT_GE(low.second, 10);
  EXPECT_EQ(scheduling_of(ThreadPriority::kIdle).first, SCHED_IDLE);
}

TEST(ThreadPool, AnExceptionBecomesInternal) {
  ThreadPool pool(1, ThreadPriority::kLow);
  const std::vector<Status> results =
      pool.run_all({
                       []() -> Status { throw std::runtime_error("what happened"); },
                       []() -> Status { throw 7; },  // NOLINT: no std::exception on purpose
                       [] { return Status(); },
                   },
                   {});
  ASSERT_EQ(results.size(), 3u);
  ASSERT_FALSE(results[0].ok());
  EXPECT_EQ(results[0].error().kind, ErrorKind::kInternal);
  EXPECT_THAT(results[0].error().message, HasSubstr("what happened"));
  ASSERT_FALSE(results[1].ok());
  EXPECT_EQ(results[1].error().kind, ErrorKind::kInternal);
  EXPECT_TRUE(results[2].ok());
}

TEST(ThreadPool, AStopDoesNotWaitForBusyThreads) {
  ThreadPool pool(1, ThreadPriority::kNormal);
  std::latch release(1);
  pool.post([&] { release.wait(); });  // somebody else's long upload
  std::stop_source stop;
  stop.request_stop();
  bool begun = false;
  const auto results = pool.run_all({[&] {
                                      begun = true;
                                      return Status();
                                    }},
                                    stop.get_token());
  ASSERT_FALSE(results[0].ok());
  EXPECT_EQ(results[0].error().kind, ErrorKind::kCancelled);
  release.count_down();
  EXPECT_FALSE(begun);
}

TEST(ThreadPool, NoTasksAreDoneAtOnce) {
  ThreadPool pool(1, ThreadPriority::kNormal);
  EXPECT_TRUE(pool.run_all({}, {}).empty());
}

TEST(ThreadPool, UsesItsThreadsAtTheSameTime) {
  ThreadPool pool(2, ThreadPriority::kNormal);
  std::latch both(2);  // neither task ends unless the other one runs too
  const auto meet = [&]() -> Status {
    both.arrive_and_wait();
    return {};
  };
  for (const Status& result : pool.run_all({meet, meet}, {})) EXPECT_TRUE(result.ok());
}

TEST(ThreadPool, ServesSeveralCallersOfRunAll) {
  ThreadPool pool(2, ThreadPriority::kNormal);
  std::atomic<int> ran{0};
  {
    std::vector<std::jthread> callers;
    for (int caller = 0; caller < 4; ++caller) {
      callers.emplace_back([&] {
        const auto count = [&]() -> Status {
          ++ran;
          return {};
        };
        const auto results = pool.run_all({count, count, count}, {});
        EXPECT_EQ(results.size(), 3u);
      });
    }
  }
  EXPECT_EQ(ran, 12);
}

TEST(ThreadPool, ItsEndWaitsForWhatWasPosted) {
  std::atomic<int> ran{0};
  {
    ThreadPool pool(2, ThreadPriority::kNormal);
    for (int i = 0; i < 100; ++i) pool.post([&] { ++ran; });
  }
  EXPECT_EQ(ran, 100);
}

}  // namespace
}  // namespace hubrev
