#include "plugin/base/pool.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <exception>
#include <latch>
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
  const auto tid = static_cast<id_t>(::syscall(SYS_gettid));
  ::setpriority(PRIO_PROCESS, tid, 10);
  ::syscall(SYS_ioprio_set, kIoprioWhoProcess, 0, kIoprioBestEffortLowest);
}

struct ThreadPool::Impl {
  boost::asio::thread_pool pool;
  ThreadPriority priority;
  Impl(std::size_t threads, ThreadPriority p) : pool(threads), priority(p) {}
};

ThreadPool::ThreadPool(std::size_t threads, ThreadPriority priority)
    : impl_(std::make_unique<Impl>(threads, priority)) {}

ThreadPool::~ThreadPool() {
  impl_->pool.join();
}

void ThreadPool::post(std::function<void()> task) {
  boost::asio::post(impl_->pool, [priority = impl_->priority, task = std::move(task)] {
    // Asio gives no hook for a thread's start; the call is idempotent and costs a microsecond.
    set_thread_priority(priority);
    task();
  });
}

std::vector<Status> ThreadPool::run_all(std::vector<std::function<Status()>> tasks) {
  std::vector<Status> results(tasks.size());
  std::latch done(static_cast<std::ptrdiff_t>(tasks.size()));
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    post([&, i] {
      results[i] = guarded(tasks[i]);
      done.count_down();
    });
  }
  done.wait();
  return results;
}

}  // namespace hubrev
