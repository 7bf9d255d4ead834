#include "plugin/base/sha256_together.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

#include <array>
#endif

namespace hubrev {

#if defined(__x86_64__)
namespace {

// What the compiler may use here alone; callers ask can_compress_together().
#define HUBREV_SHA_TARGET __attribute__((target("sha,sse4.1")))

constexpr std::size_t kBlock = 64;   // bytes
constexpr std::size_t kRounds = 64;  // of one block; two per instruction, four per step below
constexpr std::size_t kRoundsPerStep = 4;
constexpr std::size_t kSteps = kRounds / kRoundsPerStep;
constexpr std::size_t kScheduledSteps = kSteps - 4;  // the last words are made four steps ahead

// FIPS 180-4, 4.2.2.
alignas(16) constexpr std::array<std::uint32_t, kRounds> kConstants = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

// The working variables in the order in which the instructions want them.
struct Working {
  __m128i abef;
  __m128i cdgh;
};

HUBREV_SHA_TARGET inline Working load(const std::uint32_t* state) {
  const __m128i dcba = _mm_loadu_si128(reinterpret_cast<const __m128i*>(state));
  const __m128i hgfe = _mm_loadu_si128(reinterpret_cast<const __m128i*>(state + 4));
  const __m128i cdab = _mm_shuffle_epi32(dcba, 0xb1);
  const __m128i efgh = _mm_shuffle_epi32(hgfe, 0x1b);
  return {_mm_alignr_epi8(cdab, efgh, 8), _mm_blend_epi16(efgh, cdab, 0xf0)};
}

HUBREV_SHA_TARGET inline void store(const Working& working, std::uint32_t* state) {
  const __m128i feba = _mm_shuffle_epi32(working.abef, 0x1b);
  const __m128i dchg = _mm_shuffle_epi32(working.cdgh, 0xb1);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(state), _mm_blend_epi16(feba, dchg, 0xf0));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

// The loops over messages are unrolled, which is what mixes their instructions.
template <std::size_t kMessages>
HUBREV_SHA_TARGET void compress(const Sha256Message* messages, std::size_t blocks) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  Working working[kMessages];
  for (std::size_t m = 0; m < kMessages; ++m) working[m] = load(messages[m].state);
  for (std::size_t at = 0; at < blocks * kBlock; at += kBlock) {
    Working before[kMessages];
    __m128i words[kMessages][4];  // the schedule's last 16 words
#pragma GCC unroll 3
    for (std::size_t m = 0; m < kMessages; ++m) {
      before[m] = working[m];
      const auto* block = reinterpret_cast<const __m128i*>(messages[m].bytes + at);
#pragma GCC unroll 4
      for (std::size_t i = 0; i < 4; ++i) {
        words[m][i] = _mm_shuffle_epi8(_mm_loadu_si128(block + i), big_endian);
      }
    }
#pragma GCC unroll 16
    for (std::size_t step = 0; step < kSteps; ++step) {
      const __m128i constants = _mm_load_si128(
          reinterpret_cast<const __m128i*>(kConstants.data() + step * kRoundsPerStep));
#pragma GCC unroll 3
      for (std::size_t m = 0; m < kMessages; ++m) {
        Working& w = working[m];
        __m128i& now = words[m][step % 4];
        const __m128i input = _mm_add_epi32(now, constants);
        w.cdgh = _mm_sha256rnds2_epu32(w.cdgh, w.abef, input);
        w.abef = _mm_sha256rnds2_epu32(w.abef, w.cdgh, _mm_shuffle_epi32(input, 0x0e));
        if (step >= kScheduledSteps) continue;
        const __m128i next = words[m][(step + 1) % 4];
        const __m128i last = words[m][(step + 3) % 4];
        const __m128i seventh = _mm_alignr_epi8(last, words[m][(step + 2) % 4], 4);
        now = _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(now, next), seventh), last);
      }
    }
#pragma GCC unroll 3
    for (std::size_t m = 0; m < kMessages; ++m) {
      working[m].abef = _mm_add_epi32(working[m].abef, before[m].abef);
      working[m].cdgh = _mm_add_epi32(working[m].cdgh, before[m].cdgh);
    }
  }
  for (std::size_t m = 0; m < kMessages; ++m) store(working[m], messages[m].state);
}

bool has_sha_instructions() {
  unsigned int a = 0;
  unsigned int b = 0;
  unsigned int c = 0;
  unsigned int d = 0;
  constexpr unsigned int kSse41 = 1u << 19;
  constexpr unsigned int kSha = 1u << 29;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & kSse41) == 0) return false;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & kSha) != 0;
}

}  // namespace

bool can_compress_together() {
  static const bool can = has_sha_instructions();
  return can;
}

void compress_together(std::span<const Sha256Message> messages, std::size_t blocks) {
  if (messages.size() == 2) {
    compress<2>(messages.data(), blocks);
  } else {
    compress<3>(messages.data(), blocks);
  }
}

#else

bool can_compress_together() {
  return false;
}

void compress_together(std::span<const Sha256Message>, std::size_t) {}

#endif

}  // namespace hubrev
