// A card's front matter.

#include "plugin/fixes/yaml_value.h"
#include "tests/fuzz/fuzz.h"

namespace hubrev::fuzz {

HUBREV_FUZZ(input) {
  const auto root = parse_yaml(std::string(input));
  if (!root.ok()) return require_error(root.error(), ErrorKind::kInvalidInput);
  if (root->kind != YamlKind::kMap || root->members.empty()) return;
  const std::string text = write_yaml(*root);
  const auto again = parse_yaml(text);
  HUBREV_REQUIRE(again.ok(), again.error().message + "\n" + text);
  HUBREV_REQUIRE(write_yaml(*again) == text, text);
}

}  // namespace hubrev::fuzz
