#include "plugin/base/pool.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <utility>

namespace hubrev {
namespace {

// linux/ioprio.h is not shipped by every libc's headers; the values are kernel ABI.
constexpr int kIoprioWhoProcess = 1;
constexpr int kIoprioBestEffortLowest = (2 << 13) | 7;

Status guarded(const std::function<Status()>& task) {
  try {
    return task();
  } catch (const std::exception& e) {
    return make_error(ErrorKind::kInternal, std::string("unexpected exception: ") + e.what());
  } catch (...) {
    return make_error(ErrorKind::kInternal, "unexpected exception");
  }
}

}  // namespace

void set_thread_priority(ThreadPriority priority) {
  if (priority == ThreadPriority::kNormal) return;
  const auto tid = static_cast<pid_t>(::syscall(SYS_gettid));
  const sched_param none{};
  if (priority == ThreadPriority::kLow || ::sched_setscheduler(tid, SCHED_IDLE, &none) != 0) {
    ::sched_setscheduler(tid, SCHED_BATCH, &none);
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(tid), 10);
  }
  ::syscall(SYS_ioprio_set, kIoprioWhoProcess, 0, kIoprioBestEffortLowest);
}

struct ThreadPool::Impl {
  boost::asio::thread_pool pool;
  std::size_t threads;
  ThreadPriority priority;
  Impl(std::size_t count, ThreadPriority p) : pool(count), threads(count), priority(p) {}
};

ThreadPool::ThreadPool(std::size_t threads, ThreadPriority priority)
    : impl_(std::make_unique<Impl>(threads, priority)) {}

ThreadPool::~ThreadPool() {
  impl_->pool.join();
}

std::size_t ThreadPool::threads() const {
  return impl_->threads;
}

void ThreadPool::post(std::function<void()> task) {
  boost::asio::post(impl_->pool, [priority = impl_->priority, task = std::move(task)] {
    // Asio gives no hook for a thread's start; the call is idempotent and costs a microsecond.
    set_thread_priority(priority);
    task();
  });
}

namespace {

// Tasks that threads of the pool claim one by one; shared with them, since one may come late.
struct Batch {
  std::mutex mutex;  // guards everything below
  std::condition_variable_any changed;
  std::vector<std::function<Status()>> tasks;
  std::vector<Status> results;
  std::size_t next = 0;  // the first that nobody has claimed
  std::size_t running = 0;

  void run_one() {
    std::unique_lock lock(mutex);
    if (next == tasks.size()) return;
    const std::size_t mine = next++;
    ++running;
    lock.unlock();
    Status result = guarded(tasks[mine]);
    lock.lock();
    results[mine] = std::move(result);
    --running;
    changed.notify_all();
  }
};

}  // namespace

std::vector<Status> ThreadPool::run_all(std::vector<std::function<Status()>> tasks,
                                        const std::stop_token& stop) {
  const auto batch = std::make_shared<Batch>();
  batch->tasks = std::move(tasks);
  batch->results.resize(batch->tasks.size());
  for (std::size_t i = 0; i < batch->tasks.size(); ++i) {
    post([batch] { batch->run_one(); });
  }
  std::unique_lock lock(batch->mutex);
  const auto ended = [&] { return batch->next == batch->tasks.size() && batch->running == 0; };
  if (!batch->changed.wait(lock, stop, ended)) {
    for (; batch->next < batch->tasks.size(); ++batch->next) {
      batch->results[batch->next] = make_error(ErrorKind::kCancelled, "cancelled");
    }
    batch->changed.wait(lock, ended);
  }
  return std::move(batch->results);
}

Status ThreadPool::run_until_error(std::vector<StoppableTask> tasks, const std::stop_token& stop) {
  std::stop_source source;
  const std::stop_callback follow_caller(stop, [&] { source.request_stop(); });
  const std::stop_token token = source.get_token();
  std::vector<std::function<Status()>> stoppable;
  stoppable.reserve(tasks.size());
  for (auto& task : tasks) {
    stoppable.emplace_back([&]() -> Status {
      if (token.stop_requested()) return make_error(ErrorKind::kCancelled, "cancelled");
      // Guarded here already: others may wait for what a task that throws was to do.
      Status status = guarded([&] { return task(token); });
      if (!status.ok()) source.request_stop();
      return status;
    });
  }
  // Tasks that were stopped because of another's error are cancelled; that error is the reason.
  Status outcome;
  for (Status& result : run_all(std::move(stoppable), token)) {
    if (result.ok()) continue;
    if (outcome.ok() || outcome.error().kind == ErrorKind::kCancelled) outcome = std::move(result);
    if (outcome.error().kind != ErrorKind::kCancelled) break;
  }
  return outcome;
}

}  // namespace hubrev
