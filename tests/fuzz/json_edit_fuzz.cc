// The JSON reader against nlohmann's, and each single edit. The first byte chooses the value that
// is edited, the rest is the text.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "plugin/fixes/json_edit.h"
#include "tests/fuzz/fuzz.h"

namespace hubrev::fuzz {
namespace {

using nlohmann::json;
using Id = JsonText::Id;

// The values below `id`, itself first, in the order of the text.
void collect(const JsonText& text, Id id, std::vector<Id>& ids) {
  ids.push_back(id);
  for (const Id child : text.children(id)) collect(text, child, ids);
}

// What nlohmann makes of the same value. Recursion is bounded by JsonText::kMaxDepth.
json dom_of(const JsonText& text, Id id) {
  json value;
  switch (text.kind(id)) {
    case JsonKind::kObject:
      value = json::object();
      for (const Id child : text.children(id)) value[text.key(child)] = dom_of(text, child);
      return value;
    case JsonKind::kArray:
      value = json::array();
      for (const Id child : text.children(id)) value.push_back(dom_of(text, child));
      return value;
    case JsonKind::kString:
      return *text.string(id);
    default:
      return json::parse(text.raw(id), nullptr, /*allow_exceptions=*/false);
  }
}

// Whatever nlohmann reads, we read, and to the same values. (The reverse does not hold: NaN, text
// that is no UTF-8, numbers beyond a double.)
void compare_readers(const std::string& bytes, const Result<JsonText>& ours) {
  // nlohmann takes a zero byte for the end of the text.
  if (bytes.find('\0') != std::string::npos) return;
  const json theirs = json::parse(bytes, nullptr, /*allow_exceptions=*/false);
  if (theirs.is_discarded()) return;
  if (!ours.ok()) {
    HUBREV_REQUIRE(ours.error().message.find("nests too deeply") != std::string::npos, bytes);
    return;
  }
  HUBREV_REQUIRE(dom_of(*ours, JsonText::kRoot) == theirs, bytes);
}

std::vector<std::string> raw_children(const JsonText& text, Id id) {
  std::vector<std::string> raw;
  for (const Id child : text.children(id)) raw.emplace_back(text.raw(child));
  return raw;
}

// Everything in front of the edit and behind it stays, and the outcome is JSON.
JsonText check_edit(const JsonText& text, const JsonEdit& edit) {
  HUBREV_REQUIRE(edit.begin <= edit.end && edit.end <= text.text().size(), text.text());
  const std::string bytes = apply_edits(text, {edit});
  HUBREV_REQUIRE(
      bytes == text.text().substr(0, edit.begin) + edit.replacement + text.text().substr(edit.end),
      bytes);
  auto parsed = JsonText::parse(bytes, "edited");
  HUBREV_REQUIRE(parsed.ok(), bytes);
  return std::move(parsed).value();
}

void check_replace(const JsonText& text, Id id) {
  const JsonText edited = check_edit(text, replace_value(text, id, "77"));
  HUBREV_REQUIRE(edited.raw(id) == "77", edited.text());
}

void check_prepend(const JsonText& text, Id id) {
  const JsonEdit edit = prepend_item(text, id, "77");
  // An item takes the place of nothing but white space.
  const std::string old = text.text().substr(edit.begin, edit.end - edit.begin);
  HUBREV_REQUIRE(text.children(id).empty() || old.find_first_not_of(" \t\r\n") == std::string::npos,
                 text.text());
  const JsonText edited = check_edit(text, edit);
  std::vector<std::string> wanted = raw_children(text, id);
  wanted.insert(wanted.begin(), "77");
  HUBREV_REQUIRE(raw_children(edited, id) == wanted, edited.text());
}

void check_insert(const JsonText& text, Id id) {
  constexpr std::string_view kKey = "mmm";
  if (text.member(id, kKey)) return;
  const JsonEdit edit = insert_member(text, id, kKey, "77");
  HUBREV_REQUIRE(text.children(id).empty() || edit.begin == edit.end, text.text());
  const JsonText edited = check_edit(text, edit);
  const auto added = edited.member(id, kKey);
  HUBREV_REQUIRE(added && edited.raw(*added) == "77", edited.text());
  std::vector<std::string> wanted = raw_children(text, id);
  std::vector<std::string> found = raw_children(edited, id);
  const auto ids = edited.children(id);
  found.erase(found.begin() + (std::find(ids.begin(), ids.end(), *added) - ids.begin()));
  HUBREV_REQUIRE(found == wanted, edited.text());
}

}  // namespace

HUBREV_FUZZ(input) {
  if (input.empty()) return;
  const std::string bytes(input.substr(1));
  const auto text = JsonText::parse(bytes, "input");
  compare_readers(bytes, text);
  if (!text.ok()) return require_error(text.error(), ErrorKind::kInvalidInput);
  std::vector<Id> ids;
  collect(*text, JsonText::kRoot, ids);
  const Id id = ids[static_cast<unsigned char>(input[0]) % ids.size()];
  check_replace(*text, id);
  if (text->kind(id) == JsonKind::kArray) check_prepend(*text, id);
  if (text->kind(id) == JsonKind::kObject) check_insert(*text, id);
}

}  // namespace hubrev::fuzz
