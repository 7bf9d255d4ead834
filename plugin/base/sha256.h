#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string_view>

#include "plugin/base/ids.h"
#include "plugin/base/result.h"

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

// Feeds what an open file still has to the hasher; how many bytes that were. kCancelled when
// stopped; `path` names it in errors.
Result<std::uint64_t> hash_rest(int fd, Sha256Hasher& hasher, std::string_view path,
                                const std::stop_token& stop);

}  // namespace hubrev
