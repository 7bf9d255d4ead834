#pragma once
// Threads. Only this folder and worker/ name Boost.Asio.

#include <cstddef>
#include <functional>
#include <memory>
#include <stop_token>
#include <vector>

#include "plugin/base/result.h"

namespace hubrev {

enum class ThreadPriority {
  kNormal,
  // Training goes first: nice 10, the lowest best-effort IO class, and SCHED_BATCH (sched(7)), by
  // which a thread that is woken waits for a free core instead of taking the one of who woke it.
  kLow,
  // SCHED_IDLE (sched(7)), and IO as kLow: runs on what training leaves over, at a few thousandths
  // of a core where that is nothing. For threads that hold no lock, ours or the file system's, that
  // a training thread may wait for.
  kIdle,
};

// Ends soon, as kCancelled, once its token is requested.
using StoppableTask = std::function<Status(const std::stop_token&)>;

// A fixed set of threads. Tasks may block. Thread-safe; must outlive whoever waits on it.
class ThreadPool {
 public:
  ThreadPool(std::size_t threads, ThreadPriority priority);
  ~ThreadPool();  // waits for what was posted
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  std::size_t threads() const;
  void post(std::function<void()> task);
  // Runs all tasks on the pool and blocks until every one has ended; results in the tasks' order.
  // Once `stop` is requested, tasks that have not begun end as kCancelled without waiting for a
  // thread, however busy others keep the pool. Must not be called from one of this pool's own
  // threads (it would wait for itself). An exception in a task becomes kInternal.
  std::vector<Status> run_all(std::vector<std::function<Status()>> tasks,
                              const std::stop_token& stop);
  // run_all() where the first error stops the others, and is the outcome: their token is requested
  // then, too.
  Status run_until_error(std::vector<StoppableTask> tasks, const std::stop_token& stop);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Lowers or keeps the calling thread's CPU and IO priority. Best effort.
void set_thread_priority(ThreadPriority priority);

}  // namespace hubrev
