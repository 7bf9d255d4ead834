#pragma once
// A name server that does not answer, for one name only.

namespace hubrev::testing {

// While one is alive, resolving kStuckName blocks, as it does when no name server answers; every
// other name is resolved as ever. (This program's getaddrinfo() comes before the system's.) One at
// a time; the destructor waits until nobody is stuck any more.
class StuckResolver {
 public:
  StuckResolver();
  ~StuckResolver();
  StuckResolver(const StuckResolver&) = delete;
  StuckResolver& operator=(const StuckResolver&) = delete;

  // Blocks until somebody asks for the name.
  static void await_question();
  static int questions();
};

inline constexpr const char* kStuckName = "stuck.test";

}  // namespace hubrev::testing
