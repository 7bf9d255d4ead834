#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "plugin/base/xxh3.h"

namespace hubrev {

// The digests of a file's pieces, taken while it streams by for another purpose. Without pieces no
// byte is looked at.
class PieceHasher {
 public:
  // `lengths` in bytes, the first piece at the file's start. Outlives this.
  explicit PieceHasher(const std::vector<std::uint64_t>& lengths);

  void update(std::string_view bytes);
  // One digest per piece. Precondition: all bytes of all pieces went through update().
  std::vector<Xxh3> finish();

 private:
  void close_full();

  const std::vector<std::uint64_t>& lengths_;
  std::vector<Xxh3> digests_;  // of the pieces that are complete
  std::uint64_t missing_ = 0;  // bytes of the next one
  Xxh3Hasher hasher_;
};

}  // namespace hubrev
