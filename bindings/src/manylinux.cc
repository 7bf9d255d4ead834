// For wheels (HUBREV_MANYLINUX). GCC 12's libstdc++ has this function twice; the newer of them is
// all that would keep the module from loading with GCC 11's, which RHEL 9 and its kin have. The
// linker sends calls of it here (--wrap), and from here they go to the older one.
#include <condition_variable>
#include <mutex>

extern "C" {

__asm__(
    ".symver hubrev_older_wait, "
    "_ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE@GLIBCXX_3.4.11");

void hubrev_older_wait(std::condition_variable* self, std::unique_lock<std::mutex>* lock);

// NOLINTNEXTLINE(bugprone-reserved-identifier,readability-identifier-naming): --wrap's form of it
void __wrap__ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE(
    std::condition_variable* self, std::unique_lock<std::mutex>* lock) {
  hubrev_older_wait(self, lock);
}
}
