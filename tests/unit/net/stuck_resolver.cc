#include "tests/unit/net/stuck_resolver.h"

#include <dlfcn.h>
#include <netdb.h>

#include <condition_variable>
#include <cstring>
#include <mutex>

namespace hubrev::testing {
namespace {

// Asked by curl's threads, which may outlive every test: never destroyed.
struct State {
  std::mutex mutex;  // guards the rest
  std::condition_variable changed;
  bool stuck = false;
  int questions = 0;
  int waiting = 0;
};

State& state() {
  static State& one = *new State;
  return one;
}

// False when nobody is stuck on that name.
bool wait_if_stuck(const char* node) {
  if (node == nullptr || std::strcmp(node, kStuckName) != 0) return false;
  State& s = state();
  std::unique_lock lock(s.mutex);
  if (!s.stuck) return false;
  ++s.questions;
  ++s.waiting;
  s.changed.notify_all();
  s.changed.wait(lock, [&s] { return !s.stuck; });
  --s.waiting;
  s.changed.notify_all();
  return true;
}

}  // namespace

StuckResolver::StuckResolver() {
  const std::lock_guard lock(state().mutex);
  state().stuck = true;
  state().questions = 0;
}

StuckResolver::~StuckResolver() {
  std::unique_lock lock(state().mutex);
  state().stuck = false;
  state().changed.notify_all();
  state().changed.wait(lock, [] { return state().waiting == 0; });
}

void StuckResolver::await_question() {
  std::unique_lock lock(state().mutex);
  state().changed.wait(lock, [] { return state().questions > 0; });
}

int StuckResolver::questions() {
  const std::lock_guard lock(state().mutex);
  return state().questions;
}

}  // namespace hubrev::testing

extern "C" __attribute__((visibility("default"))) int getaddrinfo(const char* node,
                                                                  const char* service,
                                                                  const addrinfo* hints,
                                                                  addrinfo** found) {
  using Function = int (*)(const char*, const char*, const addrinfo*, addrinfo**);
  static const auto real = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  if (hubrev::testing::wait_if_stuck(node)) return EAI_AGAIN;
  return real(node, service, hints, found);
}
