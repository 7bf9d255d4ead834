#include "plugin/fixes/entry_text.h"

#include <utility>

namespace hubrev {

Result<std::optional<std::string>> read_text(const Snapshot& snapshot, const std::string& path,
                                             std::uint64_t limit) {
  const Entry* entry = find_entry(snapshot, path);
  if (entry == nullptr) return std::optional<std::string>();
  Result<std::string> bytes = entry->source.read_all(limit);
  if (!bytes.ok()) return with_context(std::move(bytes).error(), path);
  return std::optional<std::string>(std::move(bytes).value());
}

Result<std::optional<JsonText>> read_object(const Snapshot& snapshot, const std::string& path,
                                            std::uint64_t limit) {
  HUBREV_TRY(std::optional<std::string> bytes, read_text(snapshot, path, limit));
  if (!bytes) return std::optional<JsonText>();
  HUBREV_TRY(JsonText json, JsonText::parse(std::move(*bytes), path));
  if (json.kind(JsonText::kRoot) != JsonKind::kObject) {
    return make_error(ErrorKind::kInvalidInput,
                      path + " is not a JSON object; the checkpoint is damaged: save it again");
  }
  return std::optional<JsonText>(std::move(json));
}

}  // namespace hubrev
