#pragma once
// A scratch repository: the place where libgit2 builds commits and packs. Objects made here live in
// memory and go with the Repository, fetched ones in the folder. It holds nothing that cannot be
// made again, so it may be deleted whenever no Repository is open on it.

#include <memory>
#include <string>

#include "plugin/base/result.h"

struct git_repository;  // libgit2's; its headers stay inside this layer

namespace hubrev {

// Bare. Confined to one thread at a time; two Repositories on different folders may be used by two
// threads at once. Neither git's configuration files of the user and the machine nor its
// environment variables have a say: libgit2 is told so, once per process, by the first create().
class Repository {
 public:
  // Creates the folder (mode 0700, with its missing parents) and the repository in it, or reuses
  // them. kIo when the folder cannot be written or is not a repository of the current user.
  static Result<Repository> create(const std::string& path);

  const std::string& path() const { return path_; }
  // For this layer only. Owned by the Repository.
  git_repository* handle() const { return handle_.get(); }

 private:
  struct Free {
    void operator()(git_repository* repository) const noexcept;
  };
  using Handle = std::unique_ptr<git_repository, Free>;
  Repository(std::string path, Handle handle);

  std::string path_;
  Handle handle_;
};

// Makes a bare repository in a folder, with its missing parents, for everybody whom the umask lets
// in; its HEAD is main. A repository that is there already is a success, also one that somebody
// makes at the same moment. kConfig for a folder that holds something else.
Status create_bare_repository(const std::string& path);

}  // namespace hubrev
