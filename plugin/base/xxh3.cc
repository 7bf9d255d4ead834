#include "plugin/base/xxh3.h"

#include <xxhash.h>
#if defined(__x86_64__)
// Lets the library use AVX2 where the CPU has it: twice as fast as what every x86-64 can do.
#include <xxh_x86dispatch.h>
#endif

#include <new>

namespace hubrev {

struct Xxh3Hasher::State {
  XXH3_state_t* xxh = XXH3_createState();
  State() {
    if (xxh == nullptr) throw std::bad_alloc();
    XXH3_128bits_reset(xxh);
  }
  ~State() { XXH3_freeState(xxh); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

Xxh3Hasher::Xxh3Hasher() : state_(std::make_unique<State>()) {}
Xxh3Hasher::~Xxh3Hasher() = default;

void Xxh3Hasher::update(std::string_view bytes) {
  XXH3_128bits_update(state_->xxh, bytes.data(), bytes.size());
}

Xxh3 Xxh3Hasher::finish() {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_->xxh));
  XXH3_128bits_reset(state_->xxh);
  Xxh3::Bytes bytes{};
  static_assert(sizeof canonical.digest == Xxh3::kSize);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = canonical.digest[i];
  return Xxh3(bytes);
}

Xxh3 xxh3(std::string_view bytes) {
  Xxh3Hasher hasher;
  hasher.update(bytes);
  return hasher.finish();
}

}  // namespace hubrev
