#include "plugin/lfs/pointer.h"

#include <charconv>

namespace hubrev {
namespace {

constexpr std::string_view kVersionLine = "version https://git-lfs.github.com/spec/v1\n";
constexpr std::string_view kOidPrefix = "sha256:";
constexpr std::size_t kLongestPointer = 1023;  // bytes; the specification says "less than 1024"

bool is_key(std::string_view key) {
  return !key.empty() &&
         key.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-") == std::string_view::npos;
}

std::optional<Sha256> parse_oid(std::string_view value) {
  if (!value.starts_with(kOidPrefix)) return std::nullopt;
  value.remove_prefix(kOidPrefix.size());
  const auto oid = Sha256::from_hex(value);
  if (!oid || oid->hex() != value) return std::nullopt;  // lower case is the canonical form
  return oid;
}

std::optional<std::uint64_t> parse_size(std::string_view value) {
  std::uint64_t size = 0;
  const auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), size);
  if (code != std::errc() || end != value.data() + value.size()) return std::nullopt;
  return size;
}

}  // namespace

std::string pointer_text(const Sha256& oid, std::uint64_t size) {
  return std::string(kVersionLine) + "oid " + std::string(kOidPrefix) + oid.hex() + "\nsize " +
         std::to_string(size) + "\n";
}

std::optional<LfsPointer> parse_pointer(std::string_view blob) {
  if (blob.size() > kLongestPointer || !blob.starts_with(kVersionLine)) return std::nullopt;
  blob.remove_prefix(kVersionLine.size());
  std::optional<Sha256> oid;
  std::optional<std::uint64_t> size;
  std::string_view previous_key;
  while (!blob.empty()) {
    const std::size_t end = blob.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = blob.substr(0, end);
    blob.remove_prefix(end + 1);
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos) return std::nullopt;
    const std::string_view key = line.substr(0, space);
    const std::string_view value = line.substr(space + 1);
    if (!is_key(key) || key <= previous_key || value.empty()) return std::nullopt;
    previous_key = key;
    if (key == "oid" && !(oid = parse_oid(value))) return std::nullopt;
    if (key == "size" && !(size = parse_size(value))) return std::nullopt;
  }
  if (!oid || !size) return std::nullopt;
  return LfsPointer{*oid, *size};
}

}  // namespace hubrev
