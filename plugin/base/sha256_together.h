#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace hubrev {

// One message's part in compress_together().
struct Sha256Message {
  std::uint32_t* state;        // eight words, H of FIPS 180-4
  const unsigned char* bytes;  // blocks * 64 of them
};

// Whether this CPU has what compress_together() is made of: x86's SHA instructions.
bool can_compress_together();

// SHA-256's compression function (FIPS 180-4, 6.2.2) over the next `blocks` blocks of two or three
// messages. A message's instructions wait for the results of those before; another message's need
// not, and fill the gaps. Precondition: can_compress_together().
void compress_together(std::span<const Sha256Message> messages, std::size_t blocks);

}  // namespace hubrev
