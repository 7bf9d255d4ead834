#pragma once

#include <stop_token>
#include <string>

#include "plugin/lfs/pointer.h"
#include "plugin/types/commit_plan.h"

namespace hubrev {

// A file that holds exactly an object's bytes, for a program that wants a path. The frozen file
// itself where it is one; what is put together from memory and ranges, a virtual shard, is written
// out, and removed at the end of this object's life. Movable. Private to this layer.
class ObjectFile {
 public:
  // Writes into `folder`, which is made if missing; blocks for the disk. Errors name the path.
  static Result<ObjectFile> create(const LfsFile& file, const Sha256& oid,
                                   const std::string& folder, const std::stop_token& stop);
  ~ObjectFile();
  ObjectFile(ObjectFile&& other) noexcept;
  ObjectFile& operator=(ObjectFile&&) = delete;
  ObjectFile(const ObjectFile&) = delete;
  ObjectFile& operator=(const ObjectFile&) = delete;

  const std::string& path() const { return path_; }

 private:
  enum class Kept { kYes, kNo };
  ObjectFile(std::string path, Kept kept);
  std::string path_;
  Kept kept_;
};

}  // namespace hubrev
