#pragma once

#include <pybind11/pybind11.h>

#include <chrono>
#include <future>
#include <stop_token>
#include <thread>
#include <utility>

#include "plugin/base/result.h"

namespace hubrev::python {

// The GIL, given up for a while. A daemon thread that wants it back when the interpreter has ended
// is ended by Python there and then, by unwinding its stack: pybind11's own class, whose destructor
// is noexcept, would end the process instead.
class Unlocked {
 public:
  Unlocked() : thread_(PyEval_SaveThread()) {}
  ~Unlocked() noexcept(false) { PyEval_RestoreThread(thread_); }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

 private:
  PyThreadState* thread_;
};

// Runs `work()` without the GIL; the caller's thread blocks.
template <typename Work>
auto released(Work&& work) {
  const Unlocked unlocked;
  return work();
}

// How often a blocking call looks for Ctrl-C.
constexpr std::chrono::milliseconds kSignalInterval{100};

// Blocks in slices until `done(slice)` is true, letting Python handle signals in between. Needs the
// GIL; gives it up while waiting. Throws what a signal handler raised (KeyboardInterrupt).
template <typename Done>
void wait_interruptibly(Done&& done) {
  for (;;) {
    if (released([&] { return done(kSignalInterval); })) return;
    if (PyErr_CheckSignals() != 0) throw pybind11::error_already_set();
  }
}

// Runs `work(stop)` on a thread of its own and waits for it; a signal requests the stop, waits for
// the thread's end and then raises.
template <typename T, typename Work>
Result<T> interruptible(Work&& work) {
  std::stop_source stop;
  std::future<Result<T>> outcome =
      std::async(std::launch::async, [&] { return work(stop.get_token()); });
  try {
    wait_interruptibly([&](std::chrono::milliseconds slice) {
      return outcome.wait_for(slice) == std::future_status::ready;
    });
  } catch (const pybind11::error_already_set&) {  // not Python's unwinding, which needs no answer
    stop.request_stop();
    released([&] { outcome.wait(); });
    throw;
  }
  return outcome.get();
}

}  // namespace hubrev::python
