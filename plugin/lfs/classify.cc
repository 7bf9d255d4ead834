#include "plugin/lfs/classify.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "plugin/lfs/attribute_rules.h"
#include "plugin/lfs/pointer.h"

namespace hubrev {
namespace {

constexpr std::uint64_t kLargestGitBlob = 10ull << 20;  // bytes; the Hub's hook refuses more

bool is_text_control(unsigned char c) {
  return c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

// Length of the UTF-8 sequence at the front (RFC 3629: no overlong form, no surrogate, nothing
// above U+10FFFF); 0 when there is none.
std::size_t utf8_sequence(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  std::size_t length = 0;
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) length = 2;
  if (lead >= 0xE0 && lead <= 0xEF) length = 3;
  if (lead >= 0xF0 && lead <= 0xF4) length = 4;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  if (lead == 0xE0 && byte(1) < 0xA0) return 0;
  if (lead == 0xED && byte(1) > 0x9F) return 0;
  if (lead == 0xF0 && byte(1) < 0x90) return 0;
  if (lead == 0xF4 && byte(1) > 0x8F) return 0;
  return length;
}

bool is_clearly_text(std::string_view text) {
  while (!text.empty()) {
    const auto first = static_cast<unsigned char>(text.front());
    if ((first < ' ' && !is_text_control(first)) || first == 0x7F) return false;
    const std::size_t length = utf8_sequence(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace

Result<Storage> classify(const Entry& entry) {
  if (entry.source.size() == 0) return Storage::kGit;
  if (entry.source.size() > kLargestGitBlob || matches_hub_default(entry.path)) {
    return Storage::kLfs;
  }
  auto bytes = entry.source.read_all(kLargestGitBlob);
  if (!bytes.ok()) return with_context(std::move(bytes).error(), "reading " + entry.path);
  // A blob that reads as a pointer would be taken for the object it names, which need not exist.
  if (!is_clearly_text(*bytes) || parse_pointer(*bytes)) return Storage::kLfs;
  return Storage::kGit;
}

}  // namespace hubrev
