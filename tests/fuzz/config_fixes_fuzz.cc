// The fixes of config.json and generation_config.json; sections are files. The section "eos" says
// "align <id>" or "replace <id>".

#include <charconv>

#include "plugin/fixes/fix.h"
#include "plugin/fixes/json_text.h"
#include "tests/fuzz/fuzz.h"

namespace hubrev::fuzz {
namespace {

using Id = JsonText::Id;

struct Leaf {
  std::string path;  // keys and positions, each behind a slash
  std::string raw;
  bool operator==(const Leaf&) const = default;
};

// Every scalar and every empty container, except below the keys that a fix may change.
void collect(const JsonText& json, Id id, const std::string& path, std::string_view except,
             std::vector<Leaf>& leaves) {
  const std::vector<Id> children = json.children(id);
  if (children.empty()) leaves.push_back({path, std::string(json.raw(id))});
  std::size_t position = 0;
  for (const Id child : children) {
    const bool object = json.kind(id) == JsonKind::kObject;
    if (object && json.key(child) == except) continue;
    collect(json, child, path + "/" + (object ? json.key(child) : std::to_string(position)), except,
            leaves);
    ++position;
  }
}

std::vector<Leaf> leaves_of(const JsonText& json, std::string_view except) {
  std::vector<Leaf> leaves;
  collect(json, JsonText::kRoot, "", except, leaves);
  return leaves;
}

JsonText parse(const std::string& bytes) {
  auto json = JsonText::parse(bytes, "file");
  HUBREV_REQUIRE(json.ok(), bytes);
  return std::move(json).value();
}

Snapshot with(Snapshot snapshot, const FixEdit& edit) {
  for (const Entry& entry : edit.entries) put_entry(snapshot, entry);
  return snapshot;
}

// A changed file is JSON as before, differs below `key` alone, and is not changed a second time.
void check_fix(Fix fix, const Snapshot& snapshot, const FixContext& context, std::string_view key) {
  const auto edit = fix(snapshot, context);
  if (!edit.ok()) return require_error(edit.error(), ErrorKind::kInvalidInput);
  require_shown(edit->detail);
  for (const std::string& warning : edit->warnings) require_shown(warning);
  for (const Entry& entry : edit->entries) {
    const Entry* old = find_entry(snapshot, entry.path);
    HUBREV_REQUIRE(old != nullptr, entry.path);
    const JsonText before = parse(bytes_of(*old));
    const JsonText after = parse(bytes_of(entry));
    std::vector<Leaf> wanted = leaves_of(before, key);
    // An object that was empty is no leaf any more once it has a member.
    if (before.children(JsonText::kRoot).empty()) wanted.clear();
    HUBREV_REQUIRE(leaves_of(after, key) == wanted, after.text());
  }
  const auto again = fix(with(snapshot, *edit), context);
  HUBREV_REQUIRE(again.ok(), again.error().message);
  HUBREV_REQUIRE(again->entries.empty(), again->detail);
}

// "false" becomes "true", and not one byte more.
void check_use_cache_bytes(const Snapshot& snapshot) {
  const auto edit = fix_use_cache(snapshot, {});
  if (!edit.ok()) return;
  for (const Entry& entry : edit->entries) {
    const std::string before = bytes_of(*find_entry(snapshot, entry.path));
    const std::string after = bytes_of(entry);
    std::size_t at = 0;
    for (std::size_t i = 0; i < after.size(); ++at) {
      if (at < before.size() && before[at] == after[i]) {
        ++i;
        continue;
      }
      HUBREV_REQUIRE(before.substr(at, 5) == "false" && after.substr(i, 4) == "true", after);
      at += 4;
      i += 4;
    }
    HUBREV_REQUIRE(at == before.size(), after);
  }
}

FixContext context_of(const Sections& sections) {
  FixContext context;
  std::string policy = section(sections, "eos");
  if (policy.starts_with("replace")) context.eos = EosPolicy::kReplace;
  const std::size_t space = policy.find(' ');
  std::int64_t id = 0;
  const char* end = policy.data() + policy.size();
  if (space != std::string::npos &&
      std::from_chars(policy.data() + space + 1, end, id).ec == std::errc()) {
    context.eos_token_id = id;
  }
  return context;
}

}  // namespace

HUBREV_FUZZ(input) {
  const Sections sections = sections_of(input);
  const Snapshot snapshot = snapshot_of(sections);
  check_fix(fix_eos, snapshot, context_of(sections), "eos_token_id");
  check_fix(fix_use_cache, snapshot, {}, "use_cache");
  check_use_cache_bytes(snapshot);
}

}  // namespace hubrev::fuzz
