#include "plugin/lfs/gitattributes.h"

#include <algorithm>
#include <map>
#include <string_view>

#include "plugin/lfs/attribute_rules.h"

namespace hubrev {
namespace {

constexpr std::string_view kLfsOn = " filter=lfs diff=lfs merge=lfs -text\n";
constexpr std::string_view kLfsOff = " !filter !diff !merge !text\n";

std::vector<AttributeRule> parse_rules(std::string_view text) {
  std::vector<AttributeRule> rules;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1);
    if (auto rule = parse_attribute_line(text.substr(0, end + 1)))
      rules.push_back(*std::move(rule));
    text.remove_prefix(end + 1);
  }
  return rules;
}

// The last rule that matches decides.
LfsFilter effective_filter(const std::vector<AttributeRule>& rules, std::string_view path) {
  const auto rule = std::find_if(rules.rbegin(), rules.rend(), [&](const AttributeRule& one) {
    return attribute_pattern_matches(one.pattern, path);
  });
  return rule == rules.rend() ? LfsFilter::kOff : rule->filter;
}

bool has_lfs_rule(const std::vector<AttributeRule>& rules, std::string_view pattern) {
  return std::any_of(rules.begin(), rules.end(), [&](const AttributeRule& rule) {
    return rule.pattern == pattern && rule.filter == LfsFilter::kOn;
  });
}

}  // namespace

std::string gitattributes(const StoredPaths& paths, const std::optional<std::string>& existing) {
  std::string text = existing.value_or("");
  if (!text.empty() && text.back() != '\n') text += '\n';
  std::vector<AttributeRule> rules = parse_rules(text);
  for (const std::string_view pattern : kHubDefaultPatterns) {
    if (has_lfs_rule(rules, pattern)) continue;
    text += std::string(pattern) + std::string(kLfsOn);
    rules.push_back({std::string(pattern), LfsFilter::kOn});
  }
  std::map<std::string, LfsFilter> wanted;
  for (const std::string& path : paths.lfs) wanted[path] = LfsFilter::kOn;
  for (const std::string& path : paths.git) wanted[path] = LfsFilter::kOff;
  for (const auto& [path, filter] : wanted) {
    if (effective_filter(rules, path) == filter) continue;
    text += exact_attribute_pattern(path);
    text += filter == LfsFilter::kOn ? kLfsOn : kLfsOff;
  }
  return text;
}

}  // namespace hubrev
