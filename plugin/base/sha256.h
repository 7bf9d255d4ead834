#pragma once

#include <memory>
#include <string_view>

#include "plugin/base/ids.h"

namespace hubrev {

// Incremental SHA-256 (OpenSSL EVP, which uses the CPU's SHA instructions where it has them).
// One thread at a time.
class Sha256Hasher {
 public:
  Sha256Hasher();
  ~Sha256Hasher();
  Sha256Hasher(const Sha256Hasher&) = delete;
  Sha256Hasher& operator=(const Sha256Hasher&) = delete;

  void update(std::string_view bytes);
  // Ends the digest; update() must not be called afterwards.
  Sha256 finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

Sha256 sha256(std::string_view bytes);

}  // namespace hubrev
