// The EOS fix. Which file is edited follows who reads what: generate() and the engines that honour
// generation_config.json never look at config.json's ids when the former exists, so then
// config.json stays as the trainer wrote it.

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "plugin/fixes/entry_text.h"
#include "plugin/fixes/fix.h"
#include "plugin/fixes/json_edit.h"
#include "plugin/fixes/tokenizer_eos.h"

namespace hubrev {
namespace {

using Id = JsonText::Id;

constexpr std::string_view kKey = "eos_token_id";
constexpr const char* kConfig = "config.json";
constexpr const char* kGenerationConfig = "generation_config.json";

FixEdit skipped(std::string reason, std::vector<std::string> warnings = {}) {
  return {FixOutcome::kSkipped, std::move(reason), {}, std::move(warnings)};
}

// "[2, 0]" on one line, whatever its layout; long lists are cut.
std::string short_form(std::string_view raw) {
  static constexpr std::size_t kLongest = 60;
  std::string text;
  for (const char c : raw) {
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t') continue;
    text += c;
    if (c == ',') text += ' ';
    if (text.size() > kLongest) return text + " ...";
  }
  return text;
}

bool is_id_list(const JsonText& json, Id value) {
  if (json.kind(value) != JsonKind::kArray) return false;
  const std::vector<Id> items = json.children(value);
  return std::all_of(items.begin(), items.end(),
                     [&](Id item) { return json.integer(item).has_value(); });
}

bool holds(const JsonText& json, Id value, std::int64_t id) {
  if (json.integer(value) == id) return true;
  const std::vector<Id> items = json.children(value);
  return std::any_of(items.begin(), items.end(), [&](Id item) { return json.integer(item) == id; });
}

// The edits of one file, gathered.
struct FileEdits {
  std::string path;
  const JsonText& json;
  EosPolicy policy;
  std::int64_t id;
  std::vector<JsonEdit> edits;
  std::string detail;  // what changes, or what was left alone although it looks wrong
};

void note(FileEdits& file, const std::string& text) {
  if (!file.detail.empty()) file.detail += "; ";
  file.detail += file.path + ": " + text;
}

// `value` is the existing member, `label` its path for people.
void align_value(FileEdits& file, Id value, const std::string& label) {
  const JsonText& json = file.json;
  const std::string id = std::to_string(file.id);
  const bool list = is_id_list(json, value);
  if (!list && json.kind(value) != JsonKind::kNull && !json.integer(value)) {
    note(file, label + " is neither an integer nor a list of integers and was left alone");
    return;
  }
  const bool exact = !list || json.children(value).size() == 1;
  if (holds(json, value, file.id) && (file.policy == EosPolicy::kAlign || exact)) return;
  const std::string before = short_form(json.raw(value));
  if (list && file.policy == EosPolicy::kAlign) {
    file.edits.push_back(prepend_item(json, value, id));
    const std::string rest = before == "[]" ? "]" : ", " + before.substr(1);
    note(file, label + " " + before + " -> [" + id + rest);
    return;
  }
  file.edits.push_back(replace_value(json, value, id));
  note(file, label + " " + before + " -> " + id);
}

void add_value(FileEdits& file) {
  const std::string id = std::to_string(file.id);
  file.edits.push_back(insert_member(file.json, JsonText::kRoot, kKey, id));
  note(file, std::string(kKey) + " added: " + id);
}

void edit_generation_config(FileEdits& file) {
  const auto value = file.json.find({kKey});
  if (value) {
    align_value(file, *value, std::string(kKey));
  } else {
    add_value(file);
  }
}

// A classifier has no use for an EOS id that its trainer did not set.
bool generates(const JsonText& config) {
  static constexpr std::array<std::string_view, 4> kSuffixes = {
      "ForCausalLM", "ForConditionalGeneration", "LMHeadModel", "Seq2SeqLM"};
  const auto names = config.find({"architectures"});
  if (!names) return false;
  const std::vector<Id> items = config.children(*names);
  return std::any_of(items.begin(), items.end(), [&](Id item) {
    const std::string name = config.string(item).value_or("");
    return std::any_of(kSuffixes.begin(), kSuffixes.end(),
                       [&](std::string_view suffix) { return name.ends_with(suffix); });
  });
}

// transformers writes a composite model's ids at the top, in text_config, or in both.
void edit_config(FileEdits& file) {
  const auto top = file.json.find({kKey});
  const auto nested = file.json.find({"text_config", kKey});
  const auto is_set = [&](const std::optional<Id>& value) {
    return value && file.json.kind(*value) != JsonKind::kNull;
  };
  const bool wanted = generates(file.json);
  if (top && (is_set(top) || (wanted && !is_set(nested)))) {
    align_value(file, *top, std::string(kKey));
  }
  if (nested && (is_set(nested) || wanted)) {
    align_value(file, *nested, "text_config." + std::string(kKey));
  }
  if (!top && !nested && wanted) add_value(file);
}

Result<FixEdit> edit_file(const Snapshot& snapshot, const FixContext& context, std::int64_t id) {
  const bool generation = find_entry(snapshot, kGenerationConfig) != nullptr;
  const std::string path = generation ? kGenerationConfig : kConfig;
  HUBREV_TRY(const std::optional<JsonText> json, read_object(snapshot, path));
  if (!json) {
    return skipped(
        "there is neither generation_config.json nor config.json; an adapter takes "
        "them from its base model");
  }
  FileEdits file{path, *json, context.eos, id, {}, {}};
  if (generation) {
    edit_generation_config(file);
  } else {
    edit_config(file);
  }
  FixEdit edit;
  edit.detail = file.detail;
  if (!file.edits.empty()) {
    edit.outcome = FixOutcome::kApplied;
    edit.entries.push_back({path, Source::from_bytes(apply_edits(*json, std::move(file.edits)))});
  } else if (edit.detail.empty()) {
    edit.detail = path + " needs no change for the tokenizer's EOS id " + std::to_string(id);
  } else {
    edit.outcome = FixOutcome::kSkipped;
  }
  return edit;
}

// The size that an id must stay below; nullopt where config.json does not say.
Result<std::optional<std::int64_t>> vocab_size(const Snapshot& snapshot) {
  HUBREV_TRY(const std::optional<JsonText> config, read_object(snapshot, kConfig));
  if (!config) return std::optional<std::int64_t>();
  auto size = config->find({"vocab_size"});
  if (!size) size = config->find({"text_config", "vocab_size"});
  return size ? config->integer(*size) : std::nullopt;
}

}  // namespace

Result<FixEdit> fix_eos(const Snapshot& snapshot, const FixContext& context) {
  if (context.eos == EosPolicy::kOff) return skipped("switched off by the setting 'eos'");
  HUBREV_TRY(TokenizerEos files, find_tokenizer_eos(snapshot));
  std::vector<std::string> warnings = std::move(files.conflicts);
  const std::optional<std::int64_t> id = context.eos_token_id ? context.eos_token_id : files.id;
  if (!id) return skipped("the EOS id is unknown: " + files.reason, std::move(warnings));
  const std::string text = std::to_string(*id);
  if (files.id && files.id != id) {
    warnings.push_back("the tokenizer in memory stops at id " + text + " but " + files.source +
                       " says " + std::to_string(*files.id) +
                       "; save the tokenizer with the checkpoint (the id in memory is used)");
  }
  HUBREV_TRY(const std::optional<std::int64_t> size, vocab_size(snapshot));
  if (*id < 0 || (size && *id >= *size)) {
    const std::string vocabulary = size ? " of " + std::to_string(*size) + " tokens" : "";
    return skipped(
        "the tokenizer's EOS id " + text + " lies outside the model's vocabulary" + vocabulary,
        std::move(warnings));
  }
  HUBREV_TRY(FixEdit edit, edit_file(snapshot, context, *id));
  edit.warnings = std::move(warnings);
  return edit;
}

}  // namespace hubrev
