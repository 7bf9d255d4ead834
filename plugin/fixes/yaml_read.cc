#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>
#include <unordered_map>
#include <utility>

#include "plugin/base/utf8.h"
#include "plugin/fixes/text.h"
#include "plugin/fixes/yaml_value.h"

namespace hubrev {
namespace {

// YAML readers look 1024 characters ahead for a key's colon; an escaped byte may take six.
constexpr std::size_t kMaxKeyBytes = 128;

// Builds the tree from the parser's events. Once something is refused, nothing more is stored.
class TreeBuilder : public YAML::EventHandler {
 public:
  const std::string& refusal() const { return refusal_; }
  YamlValue take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& /*mark*/) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& /*mark*/, YAML::anchor_t /*anchor*/) override {
    // The word is kept for the case that it is a key.
    add({YamlKind::kNull, "null", {}, {}});
  }
  void OnAlias(const YAML::Mark& /*mark*/, YAML::anchor_t /*anchor*/) override {
    refuse("it uses an alias");
  }
  void OnScalar(const YAML::Mark& /*mark*/, const std::string& tag, YAML::anchor_t /*anchor*/,
                const std::string& value) override {
    if (tag == "?") {
      std::string text = printable(value);
      // With control characters it was a string to every reader; without, it may look like more.
      const YamlKind kind = text == value ? YamlKind::kPlain : YamlKind::kText;
      return add({kind, std::move(text), {}, {}});
    }
    if (tag == "!" || tag == "tag:yaml.org,2002:str") return add(YamlValue::string(value));
    refuse("it uses the tag " + tag);
  }
  void OnSequenceStart(const YAML::Mark& /*mark*/, const std::string& tag,
                       YAML::anchor_t /*anchor*/, YAML::EmitterStyle::value /*style*/) override {
    open({YamlKind::kList, {}, {}, {}}, tag);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& /*mark*/, const std::string& tag, YAML::anchor_t /*anchor*/,
                  YAML::EmitterStyle::value /*style*/) override {
    open({YamlKind::kMap, {}, {}, {}}, tag);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Level {
    YamlValue value;
    bool has_key = false;
    std::string key;
    std::unordered_map<std::string, std::size_t> places;  // of the keys in value.members
  };

  void refuse(std::string why) {
    if (refusal_.empty()) refusal_ = std::move(why);
  }

  void open(YamlValue container, const std::string& tag) {
    if (tag != "?" && !tag.empty()) refuse("it uses the tag " + tag);
    if (levels_.size() >= static_cast<std::size_t>(kMaxYamlDepth)) refuse("it nests too deeply");
    if (!refusal_.empty()) return;
    levels_.push_back({std::move(container), false, {}, {}});
  }

  void close() {
    if (!refusal_.empty()) return;
    YamlValue value = std::move(levels_.back().value);
    levels_.pop_back();
    add(std::move(value));
  }

  void add(YamlValue value) {
    if (!refusal_.empty()) return;
    if (levels_.empty()) {
      root_ = std::move(value);
      return;
    }
    Level& level = levels_.back();
    if (level.value.kind == YamlKind::kList) {
      level.value.items.push_back(std::move(value));
    } else if (!level.has_key) {
      if (!value.is_scalar() && value.kind != YamlKind::kNull) {
        return refuse("it has a key that is no scalar");
      }
      if (value.text == "<<") return refuse("it uses a merge key");
      if (value.text.size() > kMaxKeyBytes) return refuse("it has a key that is too long");
      level.key = std::move(value.text);
      level.has_key = true;
    } else {
      level.has_key = false;
      const auto [place, fresh] = level.places.try_emplace(level.key, level.value.members.size());
      if (fresh) {
        level.value.members.push_back({std::move(level.key), std::move(value)});
      } else {
        level.value.members[place->second].value = std::move(value);
      }
    }
  }

  YamlValue root_;
  std::vector<Level> levels_;
  std::string refusal_;
};

// `why` may quote the text.
Error yaml_error(std::string_view why) {
  constexpr std::size_t kLongest = 300;
  return make_error(ErrorKind::kInvalidInput,
                    "the front matter cannot be used: " + shown_text(why, kLongest));
}

}  // namespace

Result<YamlValue> parse_yaml(const std::string& text) {
  TreeBuilder builder;
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) return YamlValue{};
    TreeBuilder ignored;
    if (parser.HandleNextDocument(ignored)) return yaml_error("it holds a second document");
  } catch (const std::exception& error) {  // the only way yaml-cpp reports a mistake
    return yaml_error(error.what());
  }
  if (!builder.refusal().empty()) return yaml_error(builder.refusal());
  return builder.take();
}

YamlValue YamlValue::string(std::string_view text) {
  return {YamlKind::kText, printable(text), {}, {}};
}

YamlValue YamlValue::list(std::vector<YamlValue> items) {
  return {YamlKind::kList, {}, std::move(items), {}};
}

YamlValue YamlValue::map(std::vector<YamlMember> members) {
  return {YamlKind::kMap, {}, {}, std::move(members)};
}

const YamlValue* YamlValue::find(std::string_view key) const {
  const auto at = std::find_if(members.begin(), members.end(),
                               [&](const YamlMember& member) { return member.key == key; });
  return at == members.end() ? nullptr : &at->value;
}

YamlValue* YamlValue::find(std::string_view key) {
  const auto at = std::find_if(members.begin(), members.end(),
                               [&](const YamlMember& member) { return member.key == key; });
  return at == members.end() ? nullptr : &at->value;
}

void YamlValue::set(const std::string& key, YamlValue value) {
  if (YamlValue* existing = find(key)) {
    *existing = std::move(value);
  } else {
    members.push_back({key, std::move(value)});
  }
}

void YamlValue::erase(std::string_view key) {
  members.erase(std::remove_if(members.begin(), members.end(),
                               [&](const YamlMember& member) { return member.key == key; }),
                members.end());
}

}  // namespace hubrev
