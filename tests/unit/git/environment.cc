// Every test of this program runs as a user whose git configuration would change what is pushed and
// where to, if libgit2 read it. libgit2 looks for it once, so it must be there before the first
// test.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/support/temp_dir.h"

namespace hubrev::testing {
namespace {

class HostileHome final : public ::testing::Environment {
 public:
  void SetUp() override {
    const char* config =
        "[url \"http://evil.test/\"]\n\tinsteadOf = http://hub.test/\n"
        "[url \"http://evil.test/\"]\n\tpushInsteadOf = http://hub.test/\n"
        "[http]\n\textraHeader = X-Evil: 1\n\tproxy = http://evil.test:1\n"
        "[core]\n\tautocrlf = true\n\tlogAllRefUpdates = always\n\tsharedRepository = 0777\n"
        "[init]\n\ttemplateDir = /nonexistent\n\tdefaultBranch = evil\n"
        "[i18n]\n\tcommitEncoding = latin1\n"
        "[pack]\n\tpackSizeLimit = 1\n";
    home_.write(".gitconfig", config);
    home_.write(".config/git/config", config);
    ::setenv("HOME", home_.path().c_str(), 1);
    ::setenv("XDG_CONFIG_HOME", (home_ / ".config").c_str(), 1);
  }

 private:
  TempDir home_;
};

const auto* const kHostileHome = ::testing::AddGlobalTestEnvironment(new HostileHome);

}  // namespace
}  // namespace hubrev::testing

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
// libgit2 dates each ref it writes with mktime(), which is thread-safe by a lock inside the C
// library that the sanitizer cannot see.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "race:git_signature_now\n";
}
#endif
#endif
