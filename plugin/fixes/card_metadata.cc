#include "plugin/fixes/card_metadata.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "plugin/fixes/model_index.h"
#include "plugin/types/settings.h"

namespace hubrev {
namespace {

// The fields whose type the Hub checks.
constexpr std::array<std::string_view, 5> kTexts = {"library_name", "pipeline_tag", "license_name",
                                                    "license_link", "base_model_relation"};
constexpr std::array<std::string_view, 7> kTextLists = {
    "license", "language", "tags", "datasets", "metrics", "new_version", "base_model"};

bool is_one_of(std::string_view key, const auto& keys) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

// "language: no" means Norwegian: in these fields nothing is a boolean or a number.
void make_text(YamlValue& value) {
  if (value.kind == YamlKind::kPlain) value.kind = YamlKind::kText;
}

bool is_text_value(const YamlValue& value) {
  return value.kind == YamlKind::kText && !value.text.empty();
}

void erase_if(std::vector<YamlValue>& items, const auto& unwanted) {
  items.erase(std::remove_if(items.begin(), items.end(), unwanted), items.end());
}

// Keeps what is a text; false when nothing is left.
bool repair_texts(YamlValue& value) {
  make_text(value);
  if (value.kind != YamlKind::kList) return is_text_value(value);
  for (YamlValue& item : value.items) make_text(item);
  erase_if(value.items, [](const YamlValue& item) { return !is_text_value(item); });
  return !value.items.empty();
}

void repair_fields(CardMetadata& card) {
  std::vector<YamlMember> kept;
  for (auto& [key, value] : card.values.members) {
    const bool text = is_one_of(key, kTexts);
    if (text || is_one_of(key, kTextLists)) {
      const bool list = value.kind == YamlKind::kList;
      const bool empty = value.kind == YamlKind::kNull || (list && value.items.empty());
      if ((text && list) || !repair_texts(value)) {
        if (!empty) card.warnings.push_back("README.md: '" + key + "' held no text; left out");
        continue;
      }
    }
    kept.push_back({key, std::move(value)});
  }
  card.values.members = std::move(kept);
}

// The list under `key` with `more` behind it, each text once.
void extend_list(YamlValue& card, const std::string& key, const std::vector<std::string>& more) {
  std::vector<YamlValue> items;
  const auto add = [&](const YamlValue& item) {
    const bool known = std::any_of(items.begin(), items.end(),
                                   [&](const YamlValue& other) { return other.text == item.text; });
    if (!known && !item.text.empty()) items.push_back(item);
  };
  if (const YamlValue* existing = card.find(key)) {
    if (existing->kind == YamlKind::kList) {
      for (const YamlValue& item : existing->items) add(item);
    } else {
      add(*existing);
    }
  }
  for (const std::string& text : more) add(YamlValue::string(text));
  if (!items.empty()) card.set(key, YamlValue::list(std::move(items)));
}

// PEFT repeats the base model in a tag: "base_model:adapter:org/model".
bool is_tag_of_path(const YamlValue& tag) {
  constexpr std::string_view kPrefix = "base_model:";
  if (!tag.text.starts_with(kPrefix)) return false;
  const std::size_t relation = tag.text.find(':', kPrefix.size());
  const std::size_t name = relation == std::string::npos ? kPrefix.size() : relation + 1;
  return !is_model_id(tag.text.substr(name));
}

// Only repository ids stay; a trainer writes the path it loaded from.
void repair_base_model(CardMetadata& card) {
  if (YamlValue* tags = card.values.find("tags")) erase_if(tags->items, is_tag_of_path);
  YamlValue* base = card.values.find("base_model");
  if (base == nullptr) return;
  const auto is_path = [](const YamlValue& value) { return !is_model_id(value.text); };
  if (base->kind == YamlKind::kList) {
    erase_if(base->items, is_path);
    if (!base->items.empty()) return;
  } else if (!is_path(*base)) {
    return;
  }
  card.values.erase("base_model");
}

void add_base_model(CardMetadata& card, const FixContext& context, const ModelFacts& facts) {
  if (!context.base_model.empty() && !is_model_id(context.base_model)) {
    card.warnings.push_back("the setting 'base_model' is left out of the card: '" +
                            context.base_model + "' is no repository id such as namespace/name");
  }
  if (card.values.find("base_model") != nullptr) return;
  for (const std::string& candidate : {context.base_model, facts.base_model}) {
    if (candidate.empty() || !is_model_id(candidate)) continue;
    card.values.set("base_model", YamlValue::string(candidate));
    return;
  }
}

void complete_model_index(CardMetadata& card, const FixContext& context, const ModelFacts& facts) {
  YamlValue index = YamlValue::list({});
  if (const YamlValue* existing = card.values.find("model-index")) {
    if (const Status valid = check_model_index(*existing); valid.ok()) {
      index = *existing;
    } else {
      card.warnings.push_back("README.md: " + valid.error().message + "; replaced");
    }
  }
  const YamlValue* tag = card.values.find("pipeline_tag");
  const std::string name = context.repo_id.substr(context.repo_id.rfind('/') + 1);
  index = put_metrics(std::move(index), context, name.empty() ? "model" : name,
                      tag != nullptr ? tag->text : facts.task);
  if (index.items.empty()) {
    card.values.erase("model-index");
  } else {
    card.values.set("model-index", std::move(index));
  }
}

Status check_field(const std::string& key, const YamlValue& value) {
  const bool list = is_one_of(key, kTextLists) && value.kind == YamlKind::kList;
  const bool fine = list ? std::all_of(value.items.begin(), value.items.end(), is_text_value)
                         : is_text_value(value);
  if (fine) return {};
  return make_error(ErrorKind::kInvalidInput, "README.md: '" + key + "' must be a text");
}

}  // namespace

bool is_model_id(const std::string& name) {
  if (!check_repo_id(name).ok()) return false;
  const std::string folder = name.substr(name.rfind('/') + 1);
  if (!folder.starts_with("checkpoint-")) return true;
  return folder.find_first_not_of("0123456789", 11) != std::string::npos;
}

CardMetadata repair_metadata(YamlValue existing) {
  CardMetadata card{std::move(existing), {}};
  repair_fields(card);
  return card;
}

CardMetadata complete_metadata(YamlValue existing, const FixContext& context,
                               const ModelFacts& facts) {
  CardMetadata card{std::move(existing), {}};
  // TRL's template writes the British key with a placeholder.
  if (const YamlValue* licence = card.values.find("licence"); licence != nullptr) {
    if (licence->text == "license") card.values.erase("licence");
  }
  card = repair_metadata(std::move(card.values));
  repair_base_model(card);
  // TRL's template says "transformers" of adapters, too.
  const YamlValue* library = card.values.find("library_name");
  if (library == nullptr || (facts.adapter && library->text == "transformers")) {
    card.values.set("library_name", YamlValue::string(facts.framework));
  }
  add_base_model(card, context, facts);
  YamlValue license = YamlValue::string(context.license);
  if (card.values.find("license") == nullptr && is_text_value(license)) {
    card.values.set("license", std::move(license));
  }
  extend_list(card.values, "datasets", context.datasets);
  std::vector<std::string> tags = {"hub-revisions"};
  tags.insert(tags.end(), context.tags.begin(), context.tags.end());
  extend_list(card.values, "tags", tags);
  complete_model_index(card, context, facts);
  return card;
}

Status check_metadata(const YamlValue& metadata) {
  if (metadata.kind != YamlKind::kMap) {
    return make_error(ErrorKind::kInvalidInput, "README.md: the front matter is no mapping");
  }
  for (const auto& [key, value] : metadata.members) {
    if (is_one_of(key, kTexts) || is_one_of(key, kTextLists)) HUBREV_CHECK(check_field(key, value));
    if (key == "model-index") HUBREV_CHECK(check_model_index(value));
  }
  return {};
}

Result<YamlValue> read_front_matter(const CardText& card) {
  if (!card.front_matter) return YamlValue::map({});
  HUBREV_TRY(YamlValue values, parse_yaml(*card.front_matter));
  if (values.kind == YamlKind::kNull) return YamlValue::map({});
  if (values.kind != YamlKind::kMap) {
    return make_error(ErrorKind::kInvalidInput, "the front matter is no mapping");
  }
  return values;
}

Result<std::string> write_front_matter(const YamlValue& metadata) {
  HUBREV_CHECK(check_metadata(metadata));
  std::string text = write_yaml(metadata);
  // The proof that what readers get is what was checked.
  HUBREV_TRY(const YamlValue written, parse_yaml(text));
  if (write_yaml(written) != text) {
    return make_error(ErrorKind::kInvalidInput, "its front matter does not survive rewriting");
  }
  return text;
}

}  // namespace hubrev
