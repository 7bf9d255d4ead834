#include "plugin/fixes/token_scan.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <span>
#include <string_view>

namespace hubrev {
namespace {

constexpr std::array<std::string_view, 2> kPrefixes = {"hf_", "api_org_"};
constexpr std::size_t kShapeLength = 30;           // letters and digits behind a prefix
constexpr std::size_t kShortestSecret = 8;         // shorter values stand in every file
constexpr std::size_t kBuffer = 1u << 20;          // bytes read at a time
constexpr std::size_t kOverlap = 4096;             // bytes kept, so that no token is cut in two
constexpr std::uint64_t kMaxHeader = 100'000'000;  // safetensors' own limit

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0;
}

std::size_t position(std::string_view text, std::string_view part, std::size_t from) {
  const void* at = ::memmem(text.data() + from, text.size() - from, part.data(), part.size());
  return at == nullptr ? std::string_view::npos
                       : static_cast<std::size_t>(static_cast<const char*>(at) - text.data());
}

bool has_shape(std::string_view text, std::string_view prefix) {
  for (std::size_t at = position(text, prefix, 0); at != std::string_view::npos;
       at = position(text, prefix, at + 1)) {
    const std::string_view rest = text.substr(at + prefix.size());
    if (rest.size() < kShapeLength) return false;
    if (at > 0 && is_word(text[at - 1])) continue;  // the end of a longer word
    if (std::all_of(rest.begin(), rest.begin() + kShapeLength, is_word)) return true;
  }
  return false;
}

bool holds_token(std::string_view text, const std::vector<Secret>& secrets) {
  return std::any_of(kPrefixes.begin(), kPrefixes.end(),
                     [&](std::string_view prefix) { return has_shape(text, prefix); }) ||
         std::any_of(secrets.begin(), secrets.end(), [&](const Secret& secret) {
           const std::string& value = secret.reveal();
           return value.size() >= kShortestSecret &&
                  position(text, value, 0) != std::string_view::npos;
         });
}

// How many bytes from its start may hold text.
Result<std::uint64_t> searched_bytes(const Entry& entry) {
  const std::uint64_t size = entry.source.size();
  std::array<unsigned char, 8> length{};
  if (!entry.path.ends_with(".safetensors") || size < length.size()) return size;
  HUBREV_TRY(const std::string head, entry.source.subrange(0, length.size()).read_all(8));
  std::uint64_t header = 0;
  for (std::size_t i = head.size(); i-- > 0;) {
    header = header << 8 | static_cast<unsigned char>(head[i]);
  }
  // Not a safetensors file after all: then it is searched like any other.
  if (header > kMaxHeader || header > size - length.size()) return size;
  return header + length.size();
}

Result<bool> entry_holds_token(const Entry& entry, const std::vector<Secret>& secrets,
                               std::vector<char>& buffer, const std::stop_token& stop) {
  HUBREV_TRY(const std::uint64_t bytes, searched_bytes(entry));
  SourceReader reader = entry.source.slice(0, bytes);
  std::size_t kept = 0;
  for (;;) {
    if (stop.stop_requested()) return make_error(ErrorKind::kCancelled, "cancelled");
    HUBREV_TRY(const std::size_t got, reader.read(std::span(buffer).subspan(kept)));
    if (got == 0) return false;
    const std::string_view text(buffer.data(), kept + got);
    if (holds_token(text, secrets)) return true;
    kept = std::min(kOverlap, text.size());
    std::memmove(buffer.data(), text.data() + text.size() - kept, kept);
  }
}

}  // namespace

Result<std::vector<std::string>> find_tokens(const Snapshot& snapshot,
                                             const std::vector<Secret>& secrets,
                                             const std::stop_token& stop) {
  std::vector<std::string> paths;
  std::vector<char> buffer(kBuffer);
  for (const Entry& entry : snapshot.entries) {
    auto found = entry_holds_token(entry, secrets, buffer, stop);
    if (!found.ok()) return with_context(std::move(found).error(), entry.path);
    if (*found) paths.push_back(entry.path);
  }
  return paths;
}

}  // namespace hubrev
