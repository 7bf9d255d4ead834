#pragma once
// The part of gitattributes(5) that decides on LFS: lines, patterns, and the Hub's default rules.
// Private to this layer.

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace hubrev {

// The rules of the .gitattributes that the Hub puts into every new model repository.
inline constexpr std::array<std::string_view, 35> kHubDefaultPatterns = {
    "*.7z",          "*.arrow",
    "*.bin",         "*.bz2",
    "*.ckpt",        "*.ftz",
    "*.gz",          "*.h5",
    "*.joblib",      "*.lfs.*",
    "*.mlmodel",     "*.model",
    "*.msgpack",     "*.npy",
    "*.npz",         "*.onnx",
    "*.ot",          "*.parquet",
    "*.pb",          "*.pickle",
    "*.pkl",         "*.pt",
    "*.pth",         "*.rar",
    "*.safetensors", "saved_model/**/*",
    "*.tar.*",       "*.tar",
    "*.tflite",      "*.tgz",
    "*.wasm",        "*.xz",
    "*.zip",         "*.zst",
    "*tfevents*"};

enum class LfsFilter { kOn, kOff };

// One line that says something about the filter attribute.
struct AttributeRule {
  std::string pattern;  // unquoted
  LfsFilter filter = LfsFilter::kOff;
};

// nullopt for comments, macros, negated patterns (which git ignores), and lines about other
// attributes.
std::optional<AttributeRule> parse_attribute_line(std::string_view line);

// Git's pattern rules: without a slash the file's name is matched, else the whole path; `*`, `?`
// and `[...]` stay within a part, `**` spans parts. Bytes, case-sensitive. Time is bounded by the
// product of the two lengths, however the pattern is made.
bool attribute_pattern_matches(std::string_view pattern, std::string_view path);

bool matches_hub_default(std::string_view path);

// A pattern, ready to be written, that matches this path and no other.
std::string exact_attribute_pattern(std::string_view path);

}  // namespace hubrev
