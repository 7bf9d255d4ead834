#include "plugin/git/repository.h"

#include <git2/sys/mempack.h>
#include <git2/sys/odb_backend.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
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

// Where others look for it only when it is whole.
Status create_aside(const std::string& path) {
  auto options =
      git_options<git_repository_init_options_init, GIT_REPOSITORY_INIT_OPTIONS_VERSION>();
  options.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_MKDIR;
  options.initial_head = "main";
  RepositoryHandle handle;
  HUBREV_CHECK(git_check(git_repository_init_ext(out(handle), path.c_str(), &options),
                         "cannot make a repository in " + path));
  for (const char* part : {"/HEAD", "/config", "/refs", "/objects", ""}) {
    HUBREV_CHECK(sync_to_disk(path + part));
  }
  return {};
}

bool is_bare_repository(const std::string& path) {
  RepositoryHandle handle;
  return git_repository_open_bare(out(handle), path.c_str()) == 0;
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

Status create_bare_repository(const std::string& path) {
  if (!libgit2_started().ok()) return libgit2_started().error();
  if (is_bare_repository(path)) return {};
  namespace fs = std::filesystem;
  std::error_code code;
  const std::string parent = fs::path(path).parent_path().string();
  fs::create_directories(parent, code);
  if (code) return errno_error(code.value(), "cannot create " + parent);
  std::string aside = parent + "/.hub-revisions-XXXXXX";
  if (::mkdtemp(aside.data()) == nullptr) return errno_error(errno, "cannot write to " + parent);
  const std::string whole = aside + "/whole.git";
  Status made = create_aside(whole);
  // Takes the place of nothing, or of an empty folder.
  const bool moved = made.ok() && ::rename(whole.c_str(), path.c_str()) == 0;
  const int reason = errno;
  fs::remove_all(aside, code);
  if (moved) return sync_to_disk(parent);
  if (!made.ok() || is_bare_repository(path)) return made;
  if (reason != ENOTEMPTY && reason != EEXIST && reason != ENOTDIR) {
    return errno_error(reason, "cannot create " + path);
  }
  return make_error(ErrorKind::kConfig, path +
                                            " is there and is no bare git repository; name "
                                            "another one, or make it by 'git init --bare'");
}

}  // namespace hubrev
