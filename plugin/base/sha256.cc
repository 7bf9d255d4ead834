#include "plugin/base/sha256.h"

#include <openssl/evp.h>
#include <unistd.h>

#include <cerrno>
#include <new>
#include <string>
#include <vector>

namespace hubrev {

struct Sha256Hasher::Context {
  EVP_MD_CTX* evp = nullptr;
  Context() : evp(EVP_MD_CTX_new()) {
    // EVP fails here only when memory is exhausted or the provider is missing.
    if (evp == nullptr || EVP_DigestInit_ex(evp, EVP_sha256(), nullptr) != 1) {
      EVP_MD_CTX_free(evp);
      throw std::bad_alloc();
    }
  }
  ~Context() { EVP_MD_CTX_free(evp); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
};

Sha256Hasher::Sha256Hasher() : context_(std::make_unique<Context>()) {}
Sha256Hasher::~Sha256Hasher() = default;

void Sha256Hasher::update(std::string_view bytes) {
  EVP_DigestUpdate(context_->evp, bytes.data(), bytes.size());
}

Sha256 Sha256Hasher::finish() {
  Sha256::Bytes bytes{};
  unsigned int length = 0;
  EVP_DigestFinal_ex(context_->evp, bytes.data(), &length);
  return Sha256(bytes);
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
