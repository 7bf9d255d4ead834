#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <cstdio>

#include "plugin/fixes/text.h"
#include "plugin/fixes/yaml_value.h"

namespace hubrev {
namespace {

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Starts with a letter and holds nothing that any YAML version gives a meaning to: such a text
// needs no quotes, though it may still read as a boolean or null.
bool is_word(std::string_view text) {
  static constexpr std::size_t kLongest = 200;
  static constexpr std::string_view kInside = "_-./+@()'";
  if (text.empty() || text.size() > kLongest || !is_letter(text.front())) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (is_letter(c) || is_digit(c) || kInside.find(c) != std::string_view::npos) continue;
    const bool inner = i + 1 < text.size() && text[i + 1] != ' ';
    if ((c == ' ' || c == ':') && inner) continue;
    return false;
  }
  return true;
}

// The words that YAML 1.1 or 1.2 read as a boolean, null or a number, in any case.
bool is_reserved(std::string_view word) {
  static constexpr std::array<std::string_view, 12> kReserved = {
      "y", "n", "yes", "no", "on", "off", "true", "false", "null", "none", "nan", "inf"};
  std::string lower;
  for (const char c : word) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return std::find(kReserved.begin(), kReserved.end(), lower) != kReserved.end();
}

std::size_t skip_digits(std::string_view text, std::size_t at) {
  while (at < text.size() && is_digit(text[at])) ++at;
  return at;
}

// A decimal number of a length that every reader can hold.
bool is_number(std::string_view text) {
  static constexpr std::size_t kLongest = 32;
  if (text.empty() || text.size() > kLongest) return false;
  const std::size_t sign = text[0] == '-' || text[0] == '+' ? 1 : 0;
  std::size_t at = skip_digits(text, sign);
  std::size_t digits = at - sign;
  if (at < text.size() && text[at] == '.') {
    const std::size_t fraction = at + 1;
    at = skip_digits(text, fraction);
    digits += at - fraction;
  }
  if (digits == 0) return false;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    const std::size_t exponent = at;
    at = skip_digits(text, exponent);
    if (at == exponent) return false;
  }
  return at == text.size();
}

// "2026-01-31" and on the calendar; PyYAML raises on a date that is not.
bool is_date(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  int parts[3] = {};
  constexpr std::size_t kStarts[3] = {0, 5, 8};
  constexpr std::size_t kLengths[3] = {4, 2, 2};
  for (int i = 0; i < 3; ++i) {
    for (const char c : text.substr(kStarts[i], kLengths[i])) {
      if (!is_digit(c)) return false;
      parts[i] = parts[i] * 10 + (c - '0');
    }
  }
  return parts[0] > 0 &&
         std::chrono::year_month_day(std::chrono::year(parts[0]),
                                     std::chrono::month(static_cast<unsigned>(parts[1])),
                                     std::chrono::day(static_cast<unsigned>(parts[2])))
             .ok();
}

std::string unicode_escape(char32_t point) {
  std::array<char, 8> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "\\u%04x", static_cast<unsigned>(point));
  return buffer.data();
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (std::size_t at = 0; at < text.size();) {
    const char32_t point = next_code_point(text, at);
    if (point == '"' || point == '\\') {
      out += '\\';
      out += static_cast<char>(point);
    } else if (point == '\n') {
      out += "\\n";
    } else if (point == '\t') {
      out += "\\t";
    } else if (point == 0x85 || point == 0x2028 || point == 0x2029 || point == 0xFEFF) {
      out += unicode_escape(point);  // line breaks of YAML 1.1, and the byte order mark
    } else {
      append_utf8(out, point);
    }
  }
  return out + '"';
}

std::string string_form(const std::string& text) {
  return is_word(text) && !is_reserved(text) ? text : quoted(text);
}

std::string scalar_form(const YamlValue& value) {
  if (value.kind == YamlKind::kNull) return "null";
  if (value.kind == YamlKind::kText) return string_form(value.text);
  const std::string& text = value.text;
  return is_word(text) || is_number(text) || is_date(text) ? text : quoted(text);
}

bool is_block(const YamlValue& value) {
  return !value.items.empty() || !value.members.empty();
}

std::string inline_form(const YamlValue& value) {
  if (value.kind == YamlKind::kList) return "[]";
  if (value.kind == YamlKind::kMap) return "{}";
  return scalar_form(value);
}

// The lines of a non-empty list or map. The first line has no indentation: it may follow a "- ".
// Recursion is bounded by kMaxYamlDepth.
std::string block_form(const YamlValue& value, std::size_t indent) {
  const std::string margin(indent, ' ');
  std::string out;
  const auto start_line = [&] {
    if (!out.empty()) out += margin;
  };
  for (const YamlValue& item : value.items) {
    start_line();
    out += "- " + (is_block(item) ? block_form(item, indent + 2) : inline_form(item) + "\n");
  }
  for (const auto& [key, child] : value.members) {
    start_line();
    out += string_form(key) + ":";
    if (!is_block(child)) {
      out += " " + inline_form(child) + "\n";
      continue;
    }
    // A list stands at its key's indentation, as PyYAML and huggingface_hub write it.
    const std::size_t inner = child.kind == YamlKind::kList ? indent : indent + 2;
    out += "\n" + std::string(inner, ' ') + block_form(child, inner);
  }
  return out;
}

}  // namespace

YamlValue YamlValue::number(double value) {
  return {YamlKind::kPlain, float_text(value), {}, {}};
}

std::string write_yaml(const YamlValue& root) {
  return block_form(root, 0);
}

}  // namespace hubrev
