#pragma once
// The folder that a revision is fetched into. It appears whole, by one rename: until then
// everything lies in `<folder>.incomplete`, from where another fetch goes on.

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "plugin/base/file.h"
#include "plugin/base/pool.h"
#include "plugin/base/result.h"
#include "plugin/pipeline/checkout_plan.h"

namespace hubrev {

enum class FolderState { kFree, kComplete };

// kFree: there is no such folder, or an empty one. kComplete: it has every one of these files with
// the right bytes, perhaps beside others. kConflict, naming a file and what to do, for any other.
// Blocks on reads.
Result<FolderState> look_at_folder(const std::string& folder,
                                   const std::vector<CheckoutFile>& files, ThreadPool& pool,
                                   const std::stop_token& stop);

// The folder while it is incomplete. One at a time, in all processes.
class IncompleteFolder {
 public:
  // Creates it, or takes what an earlier fetch left. kConflict when another one is at work.
  static Result<IncompleteFolder> take(const std::string& folder);

  // Where the bytes of an object are collected.
  std::string object_path(const Sha256& oid) const;
  // kNoSpace unless the disk has room for what the collected objects lack of `files`.
  Status check_room(const std::vector<CheckoutFile>& files) const;
  Status write(const CheckoutFile& file, std::string_view bytes) const;
  // Gives the objects, all collected, their names, and the folder its own. Nothing is left behind.
  Status complete(const std::vector<CheckoutFile>& files) const;

 private:
  IncompleteFolder(std::string folder, Fd lock);
  std::string path_of(const CheckoutFile& file) const;

  std::string folder_;
  Fd lock_;  // held as long as it is open
};

// Removes what an earlier fetch left beside a complete folder.
void remove_incomplete(const std::string& folder);

}  // namespace hubrev
