#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>

#include "plugin/base/utf8.h"
#include "plugin/fixes/entry_text.h"
#include "plugin/fixes/fix.h"
#include "plugin/fixes/json_edit.h"

namespace hubrev {
namespace {

using Id = JsonText::Id;

constexpr std::size_t kLongestDetail = 2000;  // bytes

// Sub-configurations that generation reads besides those named "..._config" (transformers'
// get_text_config).
constexpr std::array<std::string_view, 3> kNestedNames = {"decoder", "generator", "text_encoder"};

bool is_nested_config(std::string_view key) {
  return key.ends_with("config") ||
         std::find(kNestedNames.begin(), kNestedNames.end(), key) != kNestedNames.end();
}

struct Finding {
  std::string path;  // "text_config.use_cache"
  Id value;
};

// Recursion is bounded by JsonText::kMaxDepth.
void find_disabled(const JsonText& json, Id object, const std::string& prefix,
                   std::vector<Finding>& found) {
  std::map<std::string, Id> members;  // of a repeated key only the last one counts
  for (const Id child : json.children(object)) members[json.key(child)] = child;
  for (const auto& [key, value] : members) {
    if (key == "use_cache" && json.kind(value) == JsonKind::kFalse) {
      found.push_back({prefix + key, value});
    } else if (json.kind(value) == JsonKind::kObject && is_nested_config(key)) {
      find_disabled(json, value, prefix + key + ".", found);
    }
  }
}

Status restore_in(const Snapshot& snapshot, const std::string& path, FixEdit& edit) {
  HUBREV_TRY(const std::optional<JsonText> json, read_object(snapshot, path));
  if (!json) return {};
  std::vector<Finding> found;
  find_disabled(*json, JsonText::kRoot, "", found);
  if (found.empty()) return {};
  std::vector<JsonEdit> edits;
  for (const Finding& finding : found) {
    edits.push_back(replace_value(*json, finding.value, "true"));
    if (!edit.detail.empty()) edit.detail += "; ";
    edit.detail += path + ": " + finding.path + " false -> true";
  }
  edit.outcome = FixOutcome::kApplied;
  edit.entries.push_back({path, Source::from_bytes(apply_edits(*json, std::move(edits)))});
  return {};
}

}  // namespace

Result<FixEdit> fix_use_cache(const Snapshot& snapshot, const FixContext& context) {
  FixEdit edit;
  if (context.use_cache == UseCachePolicy::kOff) {
    edit.outcome = FixOutcome::kSkipped;
    edit.detail = "switched off by the setting 'use_cache'";
    return edit;
  }
  HUBREV_CHECK(restore_in(snapshot, "config.json", edit));
  HUBREV_CHECK(restore_in(snapshot, "generation_config.json", edit));
  // Keys are a file's, of any number and form; the sentence goes into the commit's message.
  edit.detail = shown_text(edit.detail, kLongestDetail);
  if (edit.detail.empty()) edit.detail = "no configuration switches the cache off";
  return edit;
}

}  // namespace hubrev
