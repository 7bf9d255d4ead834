#include "plugin/fixes/json_text.h"

#include <charconv>
#include <limits>
#include <utility>

#include "plugin/fixes/text.h"

namespace hubrev {

// Recursive descent over the text; recursion is bounded by JsonText::kMaxDepth.
class JsonScanner {
 public:
  explicit JsonScanner(std::string text) { json_.text_ = std::move(text); }

  // The whole text; false leaves the reason in failure() and its place in at().
  bool scan() {
    if (json_.text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
    skip_space();
    if (!value(0, 0, 0)) return false;
    skip_space();
    return at_ == json_.text_.size();
  }
  std::size_t at() const { return at_; }
  std::string_view limit() const { return limit_; }
  JsonText take() { return std::move(json_); }

 private:
  using Id = JsonText::Id;

  char peek() const { return at_ < json_.text_.size() ? json_.text_[at_] : '\0'; }
  bool skip(char c) {
    if (peek() != c || at_ == json_.text_.size()) return false;
    ++at_;
    return true;
  }
  void skip_space() {
    while (peek() == ' ' || peek() == '\n' || peek() == '\r' || peek() == '\t') ++at_;
  }
  bool word(std::string_view expected) {
    if (json_.text_.compare(at_, expected.size(), expected) != 0) return false;
    at_ += expected.size();
    return true;
  }
  bool digits() {
    const std::size_t from = at_;
    while (peek() >= '0' && peek() <= '9') ++at_;
    return at_ > from;
  }

  bool value(std::size_t key_begin, std::size_t key_end, int depth) {
    if (json_.values_.size() >= JsonText::kMaxValues) {
      limit_ = "holds too many values";
      return false;
    }
    const auto id = static_cast<Id>(json_.values_.size());
    JsonText::Value fresh;
    fresh.begin = static_cast<std::uint32_t>(at_);
    fresh.key_begin = static_cast<std::uint32_t>(key_begin);
    fresh.key_end = static_cast<std::uint32_t>(key_end);
    json_.values_.push_back(fresh);
    JsonKind kind = JsonKind::kNull;
    if (!contents(id, kind, depth)) return false;
    json_.values_[id].kind = kind;
    json_.values_[id].end = static_cast<std::uint32_t>(at_);
    return true;
  }

  bool contents(Id id, JsonKind& kind, int depth) {
    switch (peek()) {
      case '{':
        kind = JsonKind::kObject;
        return container(id, '}', depth);
      case '[':
        kind = JsonKind::kArray;
        return container(id, ']', depth);
      case '"':
        kind = JsonKind::kString;
        return string();
      case 'n':
        return word("null");
      case 't':
        kind = JsonKind::kTrue;
        return word("true");
      case 'f':
        kind = JsonKind::kFalse;
        return word("false");
      default:
        return number(kind);
    }
  }

  bool container(Id id, char close, int depth) {
    if (depth >= JsonText::kMaxDepth) {
      limit_ = "nests too deeply";
      return false;
    }
    ++at_;
    skip_space();
    if (skip(close)) return true;
    Id previous = JsonText::kNone;
    for (;;) {
      const auto child = static_cast<Id>(json_.values_.size());
      if (!(close == '}' ? member(depth) : value(0, 0, depth + 1))) return false;
      (previous == JsonText::kNone ? json_.values_[id].first_child : json_.values_[previous].next) =
          child;
      previous = child;
      skip_space();
      if (skip(close)) return true;
      if (!skip(',')) return false;
      skip_space();
    }
  }

  bool member(int depth) {
    const std::size_t key_begin = at_;
    if (peek() != '"' || !string()) return false;
    const std::size_t key_end = at_;
    skip_space();
    if (!skip(':')) return false;
    skip_space();
    return value(key_begin, key_end, depth + 1);
  }

  bool string() {
    ++at_;
    while (at_ < json_.text_.size()) {
      const auto c = static_cast<unsigned char>(json_.text_[at_]);
      if (c == '"') {
        ++at_;
        return true;
      }
      if (c < 0x20) return false;
      ++at_;
      if (c == '\\' && !escape()) return false;
    }
    return false;
  }

  bool escape() {
    if (skip('u')) {
      for (int i = 0; i < 4; ++i, ++at_) {
        if (std::string_view("0123456789abcdefABCDEF").find(peek()) == std::string_view::npos) {
          return false;
        }
      }
      return true;
    }
    if (at_ == json_.text_.size() ||
        std::string_view("\"\\/bfnrt").find(peek()) == std::string_view::npos) {
      return false;
    }
    ++at_;
    return true;
  }

  bool number(JsonKind& kind) {
    kind = JsonKind::kFloat;
    if (word("NaN") || word("Infinity") || word("-Infinity")) return true;
    skip('-');
    if (!skip('0') && !digits()) return false;
    kind = JsonKind::kInteger;
    if (skip('.')) {
      kind = JsonKind::kFloat;
      if (!digits()) return false;
    }
    if (skip('e') || skip('E')) {
      kind = JsonKind::kFloat;
      if (!skip('+')) skip('-');
      return digits();
    }
    return true;
  }

  JsonText json_;
  std::size_t at_ = 0;
  std::string_view limit_;  // which limit was hit; empty for a syntax error
};

Result<JsonText> JsonText::parse(std::string text, std::string_view name) {
  if (text.size() >= std::numeric_limits<std::uint32_t>::max()) {
    return make_error(ErrorKind::kInvalidInput, std::string(name) + " is larger than 4 GiB");
  }
  JsonScanner scanner(std::move(text));
  if (scanner.scan()) return scanner.take();
  const std::string place = " at byte " + std::to_string(scanner.at());
  const std::string what =
      scanner.limit().empty() ? "is not valid JSON" : std::string(scanner.limit());
  return make_error(ErrorKind::kInvalidInput, std::string(name) + " " + what + place +
                                                  "; the checkpoint is damaged: save it again");
}

std::string_view JsonText::raw(Id id) const {
  return std::string_view(text_).substr(begin(id), end(id) - begin(id));
}

std::string JsonText::key(Id member) const {
  const Value& value = values_[member];
  return decode(std::string_view(text_).substr(value.key_begin, value.key_end - value.key_begin));
}

std::vector<JsonText::Id> JsonText::children(Id id) const {
  std::vector<Id> ids;
  for (Id child = values_[id].first_child; child != kNone; child = values_[child].next) {
    ids.push_back(child);
  }
  return ids;
}

std::optional<JsonText::Id> JsonText::member(Id object, std::string_view wanted) const {
  std::optional<Id> found;
  if (kind(object) != JsonKind::kObject) return found;
  for (Id child = values_[object].first_child; child != kNone; child = values_[child].next) {
    const Value& value = values_[child];
    const std::string_view plain =
        std::string_view(text_).substr(value.key_begin + 1, value.key_end - value.key_begin - 2);
    const bool escaped = plain.find('\\') != std::string_view::npos;
    if (escaped ? key(child) == wanted : plain == wanted) found = child;
  }
  return found;
}

std::optional<JsonText::Id> JsonText::find(std::initializer_list<std::string_view> path) const {
  std::optional<Id> at = kRoot;
  for (const std::string_view key : path) {
    at = member(*at, key);
    if (!at) break;
  }
  return at;
}

std::optional<std::int64_t> JsonText::integer(Id id) const {
  if (kind(id) != JsonKind::kInteger) return std::nullopt;
  const std::string_view digits = raw(id);
  std::int64_t number = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (read.ec != std::errc()) return std::nullopt;
  return number;
}

std::optional<std::string> JsonText::string(Id id) const {
  if (kind(id) != JsonKind::kString) return std::nullopt;
  return decode(raw(id));
}

std::optional<std::string> JsonText::string_member(Id object, std::string_view key) const {
  const std::optional<Id> found = member(object, key);
  return found ? string(*found) : std::nullopt;
}

namespace {

char32_t hex_unit(std::string_view digits) {
  unsigned unit = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), unit, 16);
  return static_cast<char32_t>(unit);
}

}  // namespace

std::string JsonText::decode(std::string_view quoted) {
  const std::string_view body = quoted.substr(1, quoted.size() - 2);
  std::string out;
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (body[i] != '\\') {
      out += body[i];
      continue;
    }
    const char escape = body[++i];
    if (escape != 'u') {
      static constexpr std::string_view kNames = "bfnrt";
      static constexpr std::string_view kBytes = "\b\f\n\r\t";
      const std::size_t named = kNames.find(escape);
      out += named == std::string_view::npos ? escape : kBytes[named];
      continue;
    }
    char32_t point = hex_unit(body.substr(i + 1, 4));
    i += 4;
    const bool high = point >= 0xD800 && point < 0xDC00;
    if (high && body.substr(i + 1, 2) == "\\u") {
      const char32_t low = hex_unit(body.substr(i + 3, 4));
      if (low >= 0xDC00 && low < 0xE000) {
        point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
        i += 6;
      }
    }
    append_utf8(out, point);
  }
  return out;
}

}  // namespace hubrev
