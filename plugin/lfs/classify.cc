#include "plugin/lfs/classify.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "plugin/base/utf8.h"
#include "plugin/lfs/attribute_rules.h"
#include "plugin/lfs/pointer.h"

namespace hubrev {
namespace {

constexpr std::uint64_t kLargestGitBlob = 10ull << 20;  // bytes; the Hub's hook refuses more

bool is_text_control(unsigned char c) {
  return c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

bool is_clearly_text(std::string_view text) {
  while (!text.empty()) {
    const auto first = static_cast<unsigned char>(text.front());
    if ((first < ' ' && !is_text_control(first)) || first == 0x7F) return false;
    if (!take_code_point(text)) return false;
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
