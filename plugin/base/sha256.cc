// EVP, which is to replace these functions, hides the state that update_together() advances.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "plugin/base/sha256.h"

#include <openssl/sha.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <vector>

#include "plugin/base/sha256_together.h"

namespace hubrev {

struct Sha256Hasher::Context {
  SHA256_CTX sha{};
  Context() { SHA256_Init(&sha); }

  // How many bytes complete the block that has begun.
  std::size_t missing() const { return (SHA256_CBLOCK - sha.num) % SHA256_CBLOCK; }
  void count_blocks(std::size_t blocks) {
    const std::uint64_t bits = ((std::uint64_t{sha.Nh} << 32) | sha.Nl) + blocks * 512;
    sha.Nh = static_cast<SHA_LONG>(bits >> 32);
    sha.Nl = static_cast<SHA_LONG>(bits);
  }
};

Sha256Hasher::Sha256Hasher() : context_(std::make_unique<Context>()) {}
Sha256Hasher::~Sha256Hasher() = default;

void Sha256Hasher::update(std::string_view bytes) {
  SHA256_Update(&context_->sha, bytes.data(), bytes.size());
}

Sha256 Sha256Hasher::finish() {
  Sha256::Bytes bytes{};
  SHA256_Final(bytes.data(), &context_->sha);
  return Sha256(bytes);
}

void Sha256Hasher::update_together(std::span<Sha256Hasher* const> hashers,
                                   std::span<const std::string_view> bytes) {
  std::array<std::string_view, kMostTogether> left;
  for (std::size_t i = 0; i < hashers.size(); ++i) {
    const std::size_t begun = std::min(hashers[i]->context_->missing(), bytes[i].size());
    hashers[i]->update(bytes[i].substr(0, begun));
    left[i] = bytes[i].substr(begun);
  }
  while (can_compress_together()) {
    // Those that have whole blocks, as far as the shortest goes.
    std::array<Sha256Message, kMostTogether> messages{};
    std::array<std::size_t, kMostTogether> taken{};
    std::size_t count = 0;
    std::size_t blocks = SIZE_MAX;
    for (std::size_t i = 0; i < hashers.size(); ++i) {
      if (left[i].size() < SHA256_CBLOCK) continue;
      messages[count] = {hashers[i]->context_->sha.h,
                         reinterpret_cast<const unsigned char*>(left[i].data())};
      taken[count++] = i;
      blocks = std::min(blocks, left[i].size() / SHA256_CBLOCK);
    }
    if (count < 2) break;
    compress_together(std::span(messages.data(), count), blocks);
    for (std::size_t n = 0; n < count; ++n) {
      hashers[taken[n]]->context_->count_blocks(blocks);
      left[taken[n]].remove_prefix(blocks * SHA256_CBLOCK);
    }
  }
  for (std::size_t i = 0; i < hashers.size(); ++i) hashers[i]->update(left[i]);
}

Sha256 sha256(std::string_view bytes) {
  Sha256Hasher hasher;
  hasher.update(bytes);
  return hasher.finish();
}

Result<std::uint64_t> hash_rest(int fd, Sha256Hasher& hasher, std::string_view path,
                                const std::stop_token& stop) {
  constexpr std::size_t kBuffer = 256 << 10;  // bytes; fits a core's cache beside the rest
  std::vector<char> buffer(kBuffer);
  std::uint64_t total = 0;
  for (;;) {
    if (stop.stop_requested()) return make_error(ErrorKind::kCancelled, "cancelled");
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error(errno, "cannot read " + std::string(path));
    if (got == 0) return total;
    const auto bytes = static_cast<std::size_t>(got);
    hasher.update({buffer.data(), bytes});
    total += bytes;
  }
}

}  // namespace hubrev
