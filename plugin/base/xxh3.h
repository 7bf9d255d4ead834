#pragma once

#include <memory>
#include <string_view>

#include "plugin/base/ids.h"

namespace hubrev {

// 128-bit XXH3 of content: tells whether bytes changed, a tenth as dear as SHA-256. It is no proof
// against somebody who wants two contents to look the same.
using Xxh3 = HexId<struct Xxh3Tag, 16>;

// Incremental. One thread at a time.
class Xxh3Hasher {
 public:
  Xxh3Hasher();
  ~Xxh3Hasher();
  Xxh3Hasher(const Xxh3Hasher&) = delete;
  Xxh3Hasher& operator=(const Xxh3Hasher&) = delete;

  void update(std::string_view bytes);
  // Ends the digest; the next update() begins another.
  Xxh3 finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Xxh3 xxh3(std::string_view bytes);

}  // namespace hubrev
