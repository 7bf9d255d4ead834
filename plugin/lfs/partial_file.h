#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "plugin/base/file.h"
#include "plugin/base/sha256.h"

namespace hubrev {

// A file that grows from its first byte to its last, and knows the SHA-256 of what it holds. What
// an earlier process left of it counts as its beginning. One thread.
class PartialFile {
 public:
  // Opens or creates it, and reads what is there. What is longer than `limit` bytes is begun anew;
  // so is what is no regular file an error (io). Blocks on reads, until `stop`.
  static Result<PartialFile> open(const std::string& path, std::uint64_t limit,
                                  const std::stop_token& stop);

  std::uint64_t size() const { return size_; }
  Status append(std::string_view bytes);
  // Back to no bytes.
  Status restart();
  // Of all bytes. Only restart() may follow.
  Sha256 digest() { return hasher_->finish(); }

 private:
  PartialFile(std::string path, Fd file);

  std::string path_;
  Fd file_;
  std::uint64_t size_ = 0;
  std::unique_ptr<Sha256Hasher> hasher_;
};

}  // namespace hubrev
