#pragma once
// Distinct types for distinct ids: a digest of content is not the name of a git object.

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hubrev {

template <typename Tag, std::size_t kBytes>
class HexId {
 public:
  static constexpr std::size_t kSize = kBytes;
  using Bytes = std::array<std::uint8_t, kBytes>;

  HexId() = default;
  explicit HexId(const Bytes& bytes) : bytes_(bytes) {}

  // Exactly 2 * kSize hexadecimal digits, either case; anything else is nullopt.
  static std::optional<HexId> from_hex(std::string_view hex) {
    if (hex.size() != 2 * kBytes) return std::nullopt;
    HexId id;
    for (std::size_t i = 0; i < hex.size(); ++i) {
      const int digit = digit_value(hex[i]);
      if (digit < 0) return std::nullopt;
      auto& byte = id.bytes_[i / 2];
      byte = static_cast<std::uint8_t>((byte << 4) | digit);
    }
    return id;
  }

  std::string hex() const {
    static constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    text.reserve(2 * kBytes);
    for (const std::uint8_t byte : bytes_) {
      text += kDigits[byte >> 4];
      text += kDigits[byte & 15];
    }
    return text;
  }

  const Bytes& bytes() const { return bytes_; }
  auto operator<=>(const HexId&) const = default;  // NOLINT(modernize-use-nullptr): is none

 private:
  static int digit_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  }

  Bytes bytes_{};
};

// SHA-256 of content: an LFS object id.
using Sha256 = HexId<struct Sha256Tag, 32>;
// SHA-1 name of a git object (commit, tree, blob).
using GitId = HexId<struct GitIdTag, 20>;

}  // namespace hubrev
