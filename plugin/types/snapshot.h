#pragma once
// The frozen checkpoint as it flows through the stages. Plain values, no I/O.

#include <cstdint>
#include <string>
#include <vector>

#include "plugin/types/source.h"

namespace hubrev {

// What proves that a file is still the one that was frozen.
struct FileStamp {
  std::uint64_t inode = 0;
  std::uint64_t size = 0;     // bytes
  std::int64_t mtime_ns = 0;  // nanoseconds since 1970
  bool operator==(const FileStamp&) const = default;
};

enum class FreezeMethod {
  kReflink,
  kHardLink,
  kCopy,
  kPacked,  // copied into the pack, one file of the spool that holds all small ones
};

// One file of the checkpoint, as it lies in the spool: in a file of its own at its path below the
// snapshot's root, or in the pack.
struct FrozenFile {
  std::string path;  // relative to the checkpoint, '/' between parts; also its path in the revision
  FreezeMethod method = FreezeMethod::kCopy;
  FileStamp stamp;           // of the spool's file that holds it
  std::uint64_t offset = 0;  // bytes from the start of that file; 0 unless kPacked
  std::uint64_t length = 0;  // bytes; stamp.size unless kPacked
};

// The pack of the snapshot whose files lie in `root`. Beside that folder, where no path of a
// checkpoint can collide with it; exists only when something is packed.
inline std::string pack_path(const std::string& root) {
  return root + ".small";
}

// One file of the revision to be.
struct Entry {
  std::string path;  // in the revision
  Source source;
};

// Immutable between stages: a stage takes one and returns another. `entries` change (fixes replace
// bytes, shards replace a file by several); `frozen` stays what lies on disk.
struct Snapshot {
  std::string root;                // absolute folder that holds the frozen files
  std::vector<FrozenFile> frozen;  // sorted by path
  std::vector<Entry> entries;      // sorted by path
};

// The entry at `path`, or nullptr.
const Entry* find_entry(const Snapshot& snapshot, const std::string& path);
// Replaces the entry at `path`, or adds it in its sorted place.
void put_entry(Snapshot& snapshot, Entry entry);
// Removes the entry at `path`, if there.
void remove_entry(Snapshot& snapshot, const std::string& path);

}  // namespace hubrev
