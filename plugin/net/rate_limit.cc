#include "plugin/net/rate_limit.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

namespace hubrev {
namespace {

// More than any server has; what comes behind is not read.
constexpr std::size_t kMostItems = 16;

// A whole number that is not negative. One beyond 30 years says no more than 30 years do, and can
// be counted in milliseconds.
std::optional<long> parse_long(std::string_view text) {
  constexpr long kLargest = 1'000'000'000;
  long value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size() || text.starts_with('-')) return std::nullopt;
  if (code == std::errc::result_out_of_range) return kLargest;
  if (code != std::errc()) return std::nullopt;
  return std::min(value, kLargest);
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

// At `separator`, except inside of quotes.
std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  bool quoted = false;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= text.size() && parts.size() < kMostItems; ++i) {
    if (i < text.size() && text[i] == '"') quoted = !quoted;
    if (i == text.size() || (text[i] == separator && !quoted)) {
      parts.push_back(trimmed(text.substr(begin, i - begin)));
      begin = i + 1;
    }
  }
  return parts;
}

// One item of the list: its names, as `"fixed window";"api"`, and its numbers, as `r=5;t=10`.
struct Item {
  std::vector<std::string_view> names;
  std::vector<std::pair<std::string_view, long>> numbers;

  explicit Item(std::string_view text) {
    for (const std::string_view part : split(text, ';')) {
      const std::size_t equals = part.find('=');
      if (part.starts_with('"') || equals == std::string_view::npos) {
        names.push_back(part);
      } else if (const auto number = parse_long(part.substr(equals + 1))) {
        numbers.emplace_back(part.substr(0, equals), *number);
      }
    }
  }
  std::optional<long> number(std::string_view key) const {
    for (const auto& [name, value] : numbers) {
      if (name == key) return value;
    }
    return std::nullopt;
  }
  bool has_name(std::string_view name) const {
    return std::find(names.begin(), names.end(), name) != names.end();
  }
};

}  // namespace

std::vector<RequestQuota> quotas_from_headers(const HttpResponse& response) {
  std::vector<RequestQuota> quotas;
  for (const std::string_view text : split(response.header("ratelimit"), ',')) {
    const Item item(text);
    const auto left = item.number("r");
    if (!left) continue;
    RequestQuota quota;
    if (!item.names.empty()) quota.name = item.names.front();
    quota.left = *left;
    if (const auto reset = item.number("t")) quota.reset = std::chrono::seconds(*reset);
    for (const std::string_view policy : split(response.header("ratelimit-policy"), ',')) {
      const Item described(policy);
      if (described.has_name(quota.name)) quota.size = described.number("q");
    }
    quotas.push_back(std::move(quota));
  }
  return quotas;
}

std::optional<std::chrono::milliseconds> pause_from_headers(const HttpResponse& response) {
  if (response.status == 429) {
    std::optional<std::chrono::milliseconds> until_reset;
    for (const RequestQuota& quota : quotas_from_headers(response)) {
      if (quota.left != 0 || !quota.reset) continue;
      const std::chrono::milliseconds pause = *quota.reset + std::chrono::seconds(1);
      until_reset = std::max(until_reset.value_or(pause), pause);
    }
    if (until_reset) return until_reset;
  }
  if (const auto seconds = parse_long(response.header("retry-after"))) {
    return std::chrono::seconds(*seconds);
  }
  if (response.status == 429) return kActionLimitPause;
  return std::nullopt;
}

}  // namespace hubrev
