#pragma once
// LFS objects in a repository's own folder, where git-lfs finds them for a file:// URL (its
// built-in agent "lfs-standalone-file"): <repository>/lfs/objects/aa/bb/<oid>.

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "plugin/lfs/transfer.h"

namespace hubrev {

// `repository` is its folder.
std::string object_path(const std::string& repository, const Sha256& oid);

// Puts the object where it belongs, unless it is there. A file that nobody else has any more (its
// checkpoint is gone, or the spool has a copy of its own) is linked; one whose checkpoint is still
// there is copied, since whoever saves that again may write into the same file. The copy shares its
// blocks where the file system can. Appears under its name whole, on disk, and only if the frozen
// files are still what was hashed. Blocks; errors name the path.
Status store_object(const ObjectToSend& item, const std::string& repository,
                    const UploadContext& context, const std::stop_token& stop);

struct FileObject {
  Sha256 oid;
  std::uint64_t size = 0;      // bytes
  std::int64_t stored_ms = 0;  // unix milliseconds
};

// All that lie there; none where there is no such folder.
Result<std::vector<FileObject>> list_objects(const std::string& repository);

// One that is not there is a success.
Status delete_object(const std::string& repository, const Sha256& oid);

}  // namespace hubrev
