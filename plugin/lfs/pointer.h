#pragma once
// The text that git stores in place of an LFS object. Source: git-lfs docs/spec.md.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "plugin/base/ids.h"

namespace hubrev {

// What a pointer says: all that the LFS protocol needs to know about an object.
struct LfsPointer {
  Sha256 oid;
  std::uint64_t size = 0;  // bytes
  bool operator==(const LfsPointer&) const = default;
};

std::string pointer_text(const Sha256& oid, std::uint64_t size);

// Strict: every line in the canonical form and order, so that ordinary text is never taken for a
// pointer. Extension keys are accepted and ignored.
std::optional<LfsPointer> parse_pointer(std::string_view blob);

}  // namespace hubrev
