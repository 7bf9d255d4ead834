#pragma once
// A JSON text and where each of its values stands, so that one value can be replaced and every
// other byte kept. Accepts what Python's json module reads and writes: NaN, Infinity, -Infinity,
// repeated keys (the last one counts); also a UTF-8 byte order mark in front.

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugin/base/result.h"

namespace hubrev {

enum class JsonKind : std::uint8_t {
  kNull,
  kTrue,
  kFalse,
  kInteger,
  kFloat,  // also NaN and the infinities
  kString,
  kArray,
  kObject,
};

// Immutable once parsed. A value is named by its id, valid for this text only.
class JsonText {
 public:
  using Id = std::uint32_t;
  static constexpr Id kRoot = 0;
  static constexpr int kMaxDepth = 128;                // nested arrays and objects
  static constexpr std::size_t kMaxValues = 12 << 20;  // several times Gemma 3's tokenizer.json

  // kInvalidInput names `name` and the byte where the text stops being JSON or exceeds a limit.
  static Result<JsonText> parse(std::string text, std::string_view name);

  const std::string& text() const { return text_; }
  JsonKind kind(Id id) const { return values_[id].kind; }
  // The bytes of the value: [begin, end).
  std::size_t begin(Id id) const { return values_[id].begin; }
  std::size_t end(Id id) const { return values_[id].end; }
  std::string_view raw(Id id) const;
  // First byte of the key of an object's member, at its quote.
  std::size_t key_begin(Id member) const { return values_[member].key_begin; }
  // The key of an object's member, decoded.
  std::string key(Id member) const;

  // Items of an array or members of an object, in order; empty for anything else.
  std::vector<Id> children(Id id) const;
  // The member that counts for `key`; nullopt where there is none or `object` is not an object.
  std::optional<Id> member(Id object, std::string_view key) const;
  // member() along a path of keys from the root.
  std::optional<Id> find(std::initializer_list<std::string_view> path) const;

  // nullopt when the value is of another kind, or no 64-bit integer.
  std::optional<std::int64_t> integer(Id id) const;
  std::optional<std::string> string(Id id) const;
  // string() of member(); nullopt when either is missing.
  std::optional<std::string> string_member(Id object, std::string_view key) const;

 private:
  friend class JsonScanner;
  static constexpr Id kNone = ~Id{0};
  struct Value {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    std::uint32_t key_begin = 0;
    std::uint32_t key_end = 0;
    Id first_child = kNone;
    Id next = kNone;  // sibling
    JsonKind kind = JsonKind::kNull;
  };
  // `quoted` with its quotes; escapes resolved, lone surrogates as U+FFFD.
  static std::string decode(std::string_view quoted);

  std::string text_;
  std::vector<Value> values_;
};

}  // namespace hubrev
