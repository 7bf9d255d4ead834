#pragma once
// The small files of a checkpoint, one after the other in a single file. To create a file can cost
// a file system far more than to write it: ext4 skips recently deleted inodes one by one, and a
// trainer deletes an old checkpoint just before it saves a new one.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "plugin/base/file.h"
#include "plugin/base/result.h"
#include "plugin/snapshot/copy_file.h"
#include "plugin/types/snapshot.h"

namespace hubrev {

// Opens its file, which may be there but empty, with the first that is appended, and removes it
// again unless it is kept.
class Pack {
 public:
  explicit Pack(std::string path) : path_(std::move(path)) {}
  ~Pack();
  Pack(const Pack&) = delete;
  Pack& operator=(const Pack&) = delete;

  // The result is for `path` in the revision; its stamp is still missing, because it changes with
  // every file that follows. Errors as copy_bytes(); io when the pack's file holds something
  // already.
  Result<FrozenFile> append(const std::string& path, const OpenedFile& in, CopyBudget& budget);
  // Writes what is left and gives the packed ones of `files` their stamp. To be called after the
  // last append().
  Status finish(std::vector<FrozenFile>& files);
  void keep() { kept_ = true; }

 private:
  Status write();

  const std::string path_;
  Fd fd_;
  std::string unwritten_;  // one large write is quicker than many small ones
  std::uint64_t size_ = 0;
  bool kept_ = false;
};

}  // namespace hubrev
