#include "plugin/git/repository.h"

#include <git2/sys/mempack.h>
#include <git2/sys/odb_backend.h>

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

// New objects stay in memory, where the pack is made from them: as loose files, the pointers of a
// checkpoint of 2,000 files took ten times as long as everything else about its commit. What is
// fetched still goes to the folder.
Status keep_objects_in_memory(git_repository* repository) {
  constexpr int kBeforeAllOthers = 1000;
  OdbHandle odb;
  HUBREV_CHECK(git_check(git_repository_odb(out(odb), repository), "opening its objects"));
  git_odb_backend* memory = nullptr;
  HUBREV_CHECK(git_check(git_mempack_new(&memory), "keeping objects in memory"));
  const int code = git_odb_add_backend(odb.get(), memory, kBeforeAllOthers);
  if (code < 0) memory->free(memory);
  return git_check(code, "keeping objects in memory");
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
  HUBREV_CHECK(keep_objects_in_memory(handle.get()));
  return Repository(path, std::move(handle));
}

}  // namespace hubrev
