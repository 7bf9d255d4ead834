#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "plugin/base/xxh3.h"

namespace hubrev {

// The digests of a file's pieces, taken while it streams by for another purpose. Without pieces no
// byte is looked at.
//
// A digest tells whether a piece has changed, as far as its samples do: of a piece above
// kWholeUpTo bytes, the first kSampled of every kBlock. The least that training changes alone is a
// row of an embedding, and few models have rows shorter than a block. A change that is missed costs
// sending what it is in, since objects are named by all of their bytes. To look at all of them
// takes five hundredths of the time of SHA-256, at samples one.
class PieceHasher {
 public:
  static constexpr std::uint64_t kWholeUpTo = 64 << 10;
  static constexpr std::uint64_t kBlock = 2 << 10;
  static constexpr std::uint64_t kSampled = 64;

  // `lengths` in bytes, the first piece at the file's start. Outlives this.
  explicit PieceHasher(const std::vector<std::uint64_t>& lengths);

  void update(std::string_view bytes);
  // One digest per piece. Precondition: all bytes of all pieces went through update().
  std::vector<Xxh3> finish();

 private:
  void take(std::string_view bytes);
  void close_full();

  const std::vector<std::uint64_t>& lengths_;
  std::vector<Xxh3> digests_;  // of the pieces that are complete
  std::uint64_t done_ = 0;     // bytes of the next one
  Xxh3Hasher hasher_;
};

}  // namespace hubrev
