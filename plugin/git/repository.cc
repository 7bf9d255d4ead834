#include "plugin/git/repository.h"

#include <utility>

#include "plugin/base/file.h"
#include "plugin/git/git_error.h"
#include "plugin/git/git_handles.h"

namespace hubrev {
namespace {

// Initialises libgit2 and empties its search paths, so that no file of the user or the machine
// (url.insteadOf, http.proxy, core.*, safe.directory) changes what is pushed or where to.
Status start_libgit2() {
  HUBREV_CHECK(git_check(git_libgit2_init(), "starting libgit2"));
  for (const git_config_level_t level : {GIT_CONFIG_LEVEL_PROGRAMDATA, GIT_CONFIG_LEVEL_SYSTEM,
                                         GIT_CONFIG_LEVEL_XDG, GIT_CONFIG_LEVEL_GLOBAL}) {
    HUBREV_CHECK(git_check(git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, level, ""),
                           "keeping libgit2 from the user's configuration"));
  }
  return {};
}

// Once per process, before the first Repository. Never shut down: a lane may still hold libgit2's
// objects when the process's statics are destroyed.
const Status& libgit2_started() {
  static const Status started = start_libgit2();
  return started;
}

}  // namespace

void Repository::Free::operator()(git_repository* repository) const noexcept {
  git_repository_free(repository);
}

Repository::Repository(std::string path, Handle handle)
    : path_(std::move(path)), handle_(std::move(handle)) {}

Result<Repository> Repository::create(const std::string& path) {
  if (!libgit2_started().ok()) return libgit2_started().error();
  HUBREV_CHECK(make_private_directory(path));
  Handle handle;
  const int code = git_repository_init(out(handle), path.c_str(), 1);
  if (code < 0) {
    Error error = git_error(code, "cannot use " + path + " as a scratch repository");
    error.kind = ErrorKind::kIo;
    return error;
  }
  return Repository(path, std::move(handle));
}

}  // namespace hubrev
