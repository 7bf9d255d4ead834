#pragma once
// Where bytes come from: memory, a range of a frozen file, or several of these in a row (a virtual
// shard). A Source is a cheap value; nothing is opened before open().

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "plugin/base/file.h"
#include "plugin/base/ids.h"
#include "plugin/base/result.h"

namespace hubrev {

struct FileRange {
  std::string path;
  std::uint64_t offset = 0;  // bytes from the start of the file
  std::uint64_t length = 0;  // bytes
};

class Source;

// Reads one slice of a Source in order. One thread at a time; several readers of one Source are
// independent. A file shorter than promised is kCorrupt ("changed while pending").
class SourceReader {
 public:
  // Fills at most buffer.size() bytes; 0 means the end.
  Result<std::size_t> read(std::span<char> buffer);
  // Back to the slice's first byte (a request that is sent again).
  void rewind();

 private:
  friend class Source;
  SourceReader(Source source, std::uint64_t offset, std::uint64_t length);

  std::shared_ptr<const Source> source_;
  std::uint64_t begin_;   // first byte of the slice, in the Source
  std::uint64_t length_;  // of the slice
  std::uint64_t done_ = 0;
  Fd file_;  // of the part read last
  std::string file_path_;
};

class Source {
 public:
  Source() = default;  // no bytes
  static Source from_bytes(std::string bytes);
  static Source from_file(std::string path, std::uint64_t size);
  static Source from_range(FileRange range);
  // The given sources one after the other.
  static Source concatenate(const std::vector<Source>& sources);

  std::uint64_t size() const { return size_; }
  // The range that it is, if it is one range of one file and nothing else; else null.
  const FileRange* only_range() const;
  SourceReader open() const { return slice(0, size_); }
  // Precondition: offset + length <= size().
  SourceReader slice(std::uint64_t offset, std::uint64_t length) const;
  // A sub-range as a Source of its own. Precondition as slice().
  Source subrange(std::uint64_t offset, std::uint64_t length) const;
  // All bytes; an error (invalid_input) above `limit`. For small text only.
  Result<std::string> read_all(std::uint64_t limit) const;

 private:
  friend class SourceReader;
  struct Bytes {
    std::shared_ptr<const std::string> data;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
  };
  using Part = std::variant<Bytes, FileRange>;
  static std::uint64_t length_of(const Part& part);

  std::vector<Part> parts_;
  std::uint64_t size_ = 0;
};

}  // namespace hubrev
