#pragma once
// A card's front matter as a tree that keeps the order of its keys. Read with yaml-cpp, written by
// ourselves: what is written reads back the same in PyYAML (YAML 1.1), js-yaml and yaml-cpp (1.2).

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "plugin/base/result.h"

namespace hubrev {

enum class YamlKind {
  kNull,
  kText,   // a string, whatever it looks like
  kPlain,  // unquoted in the source: a number, a boolean, a date or a string, by the reader's rules
  kList,
  kMap,
};

struct YamlMember;

struct YamlValue {
  YamlKind kind = YamlKind::kNull;
  std::string text;                 // kText, kPlain
  std::vector<YamlValue> items;     // kList
  std::vector<YamlMember> members;  // kMap; keys are unique

  static YamlValue string(std::string_view text);
  static YamlValue number(double value);  // precondition: finite
  static YamlValue list(std::vector<YamlValue> items);
  static YamlValue map(std::vector<YamlMember> members);

  bool is_scalar() const { return kind == YamlKind::kText || kind == YamlKind::kPlain; }
  // The member `key` of a map; nullptr where there is none or this is no map.
  const YamlValue* find(std::string_view key) const;
  YamlValue* find(std::string_view key);
  // Replaces the member or adds it at the end. Precondition: a map.
  void set(const std::string& key, YamlValue value);
  void erase(std::string_view key);
};

struct YamlMember {
  std::string key;
  YamlValue value;
};

inline constexpr int kMaxYamlDepth = 32;

// One YAML document. kInvalidInput for what is not YAML, for a second document, and for what has no
// place in a card: aliases, tags, keys that are not scalars, more than kMaxYamlDepth levels. Of a
// repeated key the last value counts.
Result<YamlValue> parse_yaml(const std::string& text);

// A map or list in block style, a line feed after each line.
// Precondition: `root` has at least one member or item.
std::string write_yaml(const YamlValue& root);

}  // namespace hubrev
