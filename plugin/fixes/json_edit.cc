#include "plugin/fixes/json_edit.h"

#include <algorithm>
#include <utility>

namespace hubrev {
namespace {

using Id = JsonText::Id;

// The white space that ends at `end`.
std::string_view space_before(const JsonText& json, std::size_t end) {
  const std::string_view head = std::string_view(json.text()).substr(0, end);
  const std::size_t last = head.find_last_not_of(" \t\r\n");
  return head.substr(last == std::string_view::npos ? 0 : last + 1);
}

// What stands between a member's key and its value, e.g. ": ".
std::string_view colon_of(const JsonText& json, Id member) {
  const std::string_view head = std::string_view(json.text()).substr(0, json.begin(member));
  const std::size_t quote = head.rfind('"');
  return head.substr(quote + 1);
}

}  // namespace

JsonEdit replace_value(const JsonText& json, Id value, std::string replacement) {
  return {json.begin(value), json.end(value), std::move(replacement)};
}

JsonEdit prepend_item(const JsonText& json, Id array, std::string_view item) {
  const std::vector<Id> items = json.children(array);
  std::string text(item);
  if (items.empty()) return replace_value(json, array, "[" + text + "]");
  const std::size_t at = json.begin(array) + 1;
  const std::string_view opening = space_before(json, json.begin(items.front()));
  // "[1, 2]" has no space after the bracket but one after the comma; "[1]" gets Python's.
  std::string_view gap = opening;
  if (gap.empty()) gap = items.size() > 1 ? space_before(json, json.begin(items[1])) : " ";
  return {at, json.begin(items.front()), std::string(opening) + text + "," + std::string(gap)};
}

JsonEdit insert_member(const JsonText& json, Id object, std::string_view key,
                       std::string_view value) {
  const std::string quoted = '"' + std::string(key) + '"';
  const std::vector<Id> members = json.children(object);
  if (members.empty()) {
    return replace_value(json, object, "{\n  " + quoted + ": " + std::string(value) + "\n}");
  }
  const std::string member =
      quoted + std::string(colon_of(json, members.front())) + std::string(value);
  const auto after =
      std::find_if(members.begin(), members.end(), [&](Id id) { return json.key(id) > key; });
  if (after != members.end()) {
    const std::size_t at = json.key_begin(*after);
    const std::string gap(space_before(json, at));
    const bool compact_first = gap.empty() && after == members.begin() && members.size() > 1;
    return {
        at, at,
        member + "," +
            (compact_first ? std::string(space_before(json, json.key_begin(members[1]))) : gap)};
  }
  const std::size_t at = json.end(members.back());
  std::string gap(space_before(json, json.key_begin(members.back())));
  if (gap.empty() && members.size() == 1) gap = " ";
  return {at, at, "," + gap + member};
}

std::string apply_edits(const JsonText& json, std::vector<JsonEdit> edits) {
  std::sort(edits.begin(), edits.end(),
            [](const JsonEdit& a, const JsonEdit& b) { return a.begin > b.begin; });
  std::string text = json.text();
  for (const JsonEdit& edit : edits) {
    text.replace(edit.begin, edit.end - edit.begin, edit.replacement);
  }
  return text;
}

}  // namespace hubrev
