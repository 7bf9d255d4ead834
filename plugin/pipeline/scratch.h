#pragma once

#include <memory>
#include <string>

#include "plugin/git/repository.h"

namespace hubrev {

// A repository to build commits in, removed at the end of its life. Movable; one thread.
class ScratchRepository {
 public:
  // In the temporary folder.
  static Result<ScratchRepository> create();
  // At `path`, whose parent exists. What an earlier process left there is removed first: after a
  // power loss it may hold objects that never reached the disk.
  static Result<ScratchRepository> create_at(std::string path);
  ~ScratchRepository();
  ScratchRepository(ScratchRepository&& other) noexcept;
  ScratchRepository& operator=(ScratchRepository&&) = delete;
  ScratchRepository(const ScratchRepository&) = delete;
  ScratchRepository& operator=(const ScratchRepository&) = delete;

  Repository& repository() { return *repository_; }

 private:
  ScratchRepository(std::string path, std::unique_ptr<Repository> repository);
  std::string path_;  // empty when moved from
  std::unique_ptr<Repository> repository_;
};

}  // namespace hubrev
