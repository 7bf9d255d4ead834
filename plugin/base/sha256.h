#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <string_view>

#include "plugin/base/ids.h"
#include "plugin/base/result.h"

namespace hubrev {

// Incremental SHA-256 (FIPS 180-4), with the CPU's SHA instructions where it has them. One thread
// at a time.
class Sha256Hasher {
 public:
  Sha256Hasher();
  ~Sha256Hasher();
  Sha256Hasher(const Sha256Hasher&) = delete;
  Sha256Hasher& operator=(const Sha256Hasher&) = delete;

  void update(std::string_view bytes);
  // Ends the digest; update() must not be called afterwards.
  Sha256 finish();

  // How many messages update_together() takes.
  static constexpr std::size_t kMostTogether = 3;
  // As update(), for each hasher with the bytes at its place. Where the CPU has SHA instructions
  // that is sooner done than one after the other (sha256_together.h): two and three messages at
  // 1.5 and 1.8 times the bytes per second, measured on one core of an AMD EPYC (Zen 5).
  static void update_together(std::span<Sha256Hasher* const> hashers,
                              std::span<const std::string_view> bytes);

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
