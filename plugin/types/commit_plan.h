#pragma once
// What a revision will hold, decided before anything is sent.

#include <cstdint>
#include <string>
#include <vector>

#include "plugin/base/ids.h"
#include "plugin/base/xxh3.h"
#include "plugin/types/source.h"

namespace hubrev {

// A file that git stores itself.
struct GitBlob {
  std::string path;
  std::string bytes;
};

// A file whose content goes to LFS; git stores its pointer.
struct LfsFile {
  std::string path;
  Source source;
  // Lengths in bytes, one after the other, of the parts of it whose digests are wanted; may be
  // none.
  std::vector<std::uint64_t> pieces = {};
};

// An LFS file whose digest is known.
struct LfsObject {
  std::string path;
  Sha256 oid;
  std::uint64_t size = 0;         // bytes
  std::vector<Xxh3> pieces = {};  // a digest for each of the file's pieces (lfs/piece_hasher.h)
};

struct CommitPlan {
  std::vector<GitBlob> blobs;      // includes .gitattributes
  std::vector<LfsFile> lfs_files;  // largest first
};

// Author and committer of a commit; time from the job, so that a retry makes the same commit.
struct Signature {
  std::string name;
  std::string email;
  std::int64_t unix_seconds = 0;
};

// Everything that determines a commit id except its parents.
struct CommitContent {
  std::vector<GitBlob> files;  // all of them; LFS files as their pointers
  std::string message;
  Signature signature;
};

}  // namespace hubrev
