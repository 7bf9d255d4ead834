// Names that users give: revisions and repositories.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <string>

#include "plugin/types/settings.h"

namespace hubrev {
namespace {

Error config_error(std::string message) {
  return make_error(ErrorKind::kConfig, std::move(message));
}

constexpr std::int64_t kMillion = 1'000'000;

constexpr std::string_view kPlaceholders =
    "{revision}, {step}, {step:09d}, {epoch}, {tokens}, {tokens_m}, {tokens_b}, {run}";

// "{step}", "{step:d}" or "{step:09d}": Python's integer format, of which zero-padding is enough.
Result<std::string> format_step(std::string_view format, std::int64_t step) {
  std::size_t width = 0;
  if (!format.empty()) {
    std::string_view digits = format;
    if (digits.ends_with('d')) digits.remove_suffix(1);
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), width);
    const bool ok = digits.empty() || (digits.front() == '0' && code == std::errc() &&
                                       end == digits.data() + digits.size() && width <= 20);
    if (!ok || !format.ends_with('d')) {
      return config_error("'revision_template': {step:" + std::string(format) +
                          "} is not understood; use {step} or a width such as {step:09d}");
    }
  }
  std::string text = std::to_string(step);
  if (text.size() < width) text.insert(0, width - text.size(), '0');
  return text;
}

std::string format_epoch(double epoch) {
  std::array<char, 32> text{};
  const int length = std::snprintf(text.data(), text.size(), "%.6g", epoch);
  return {text.data(), static_cast<std::size_t>(length)};
}

Result<std::string> fill(std::string_view placeholder, const RevisionFields& fields) {
  const std::size_t colon = placeholder.find(':');
  const std::string_view name = placeholder.substr(0, colon);
  const std::string_view format =
      colon == std::string_view::npos ? std::string_view{} : placeholder.substr(colon + 1);
  if (name == "step") return format_step(format, fields.step);
  if (format.empty()) {
    if (name == "revision") return fields.prefix;
    if (name == "run") return fields.run;
    if (name == "epoch") return fields.epoch ? format_epoch(*fields.epoch) : std::string("0");
    const std::int64_t tokens = fields.tokens.value_or(0);
    if (name == "tokens") return std::to_string(tokens);
    if (name == "tokens_m") return std::to_string(tokens / kMillion);
    if (name == "tokens_b") return std::to_string(tokens / (1000 * kMillion));
  }
  return config_error("'revision_template': unknown placeholder {" + std::string(placeholder) +
                      "}; known are " + std::string(kPlaceholders));
}

Result<std::string> fill_template(std::string_view rest, const RevisionFields& fields) {
  if (rest.find("{step") == std::string_view::npos) {
    return config_error(
        "'revision_template' must contain {step}; otherwise every checkpoint would replace the "
        "one before it");
  }
  std::string name;
  while (!rest.empty()) {
    const std::size_t open = rest.find('{');
    name += rest.substr(0, open);
    if (open == std::string_view::npos) break;
    const std::size_t close = rest.find('}', open);
    if (close == std::string_view::npos) {
      return config_error("'revision_template': '{' without '}'");
    }
    HUBREV_TRY(const std::string text, fill(rest.substr(open + 1, close - open - 1), fields));
    name += text;
    rest.remove_prefix(close + 1);
  }
  return name;
}

}  // namespace

Status check_revision_template(std::string_view revision_template) {
  if (revision_template.empty()) return {};
  const auto filled = fill_template(revision_template, {});
  return filled.ok() ? Status() : filled.error();
}

Result<std::string> render_revision(const Settings& settings, const RevisionFields& fields) {
  std::string_view how = settings.revision_template;
  if (how.empty()) {
    how = settings.revision.empty() ? "step-{step:09d}" : "{revision}-step-{step:09d}";
  }
  HUBREV_TRY(std::string name, fill_template(how, fields));
  // Trials of a search count their steps from zero each; without the run they would collide.
  if (!fields.run.empty() && how.find("{run}") == std::string_view::npos) {
    name.insert(0, fields.run + "-");
  }
  HUBREV_CHECK(check_revision_name(name));
  return name;
}

Status check_revision_name(std::string_view revision) {
  const auto bad = [&](const char* why) {
    return config_error("revision name '" + std::string(revision) + "' is not valid: " + why +
                        "; change 'revision', 'revision_template' or --revision");
  };
  if (revision.empty()) return bad("it is empty");
  if (revision.size() > 200) return bad("it is longer than 200 characters");
  if (revision.starts_with("refs/")) return bad("it starts with refs/");
  if (revision.starts_with('-')) return bad("it starts with '-'");
  if (revision == "@" || revision == "HEAD") return bad("git reserves it");
  if (revision.ends_with('.') || revision.ends_with('/')) return bad("it ends in '.' or '/'");
  for (const char c : revision) {
    if (static_cast<unsigned char>(c) <= ' ' || c == 127)
      return bad("it holds a space or control character");
    if (std::string_view("~^:?*[\\").find(c) != std::string_view::npos) {
      return bad("it holds one of ~ ^ : ? * [ \\");
    }
  }
  if (revision.find("..") != std::string_view::npos) return bad("it holds '..'");
  if (revision.find("@{") != std::string_view::npos) return bad("it holds '@{'");
  std::size_t start = 0;
  while (start <= revision.size()) {
    const std::size_t end = std::min(revision.find('/', start), revision.size());
    const std::string_view part = revision.substr(start, end - start);
    if (part.empty()) return bad("it holds an empty part between slashes");
    if (part.front() == '.') return bad("a part starts with '.'");
    if (part.ends_with(".lock")) return bad("a part ends in .lock");
    start = end + 1;
  }
  return {};
}

Status check_repo_id(std::string_view repo_id) {
  const auto bad = [&](const char* why) {
    return config_error("repository id '" + std::string(repo_id) + "' is not valid: " + why +
                        "; use 'namespace/name' (hub_model_id or 'repo_id')");
  };
  if (repo_id.size() > 96) return bad("it is longer than 96 characters");
  const std::size_t slash = repo_id.find('/');
  if (slash != std::string_view::npos && repo_id.find('/', slash + 1) != std::string_view::npos) {
    return bad("it holds more than one '/'");
  }
  std::size_t start = 0;
  while (start <= repo_id.size()) {
    const std::size_t end = std::min(repo_id.find('/', start), repo_id.size());
    const std::string_view part = repo_id.substr(start, end - start);
    if (part.empty()) return bad("a part is empty");
    for (const char c : part) {
      const bool allowed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
      if (!allowed) return bad("only letters, digits, '.', '_' and '-' are allowed");
    }
    if (part.front() == '-' || part.front() == '.' || part.ends_with('-') || part.ends_with('.')) {
      return bad("a part starts or ends with '-' or '.'");
    }
    start = end + 1;
  }
  if (repo_id.find("--") != std::string_view::npos ||
      repo_id.find("..") != std::string_view::npos) {
    return bad("it holds '--' or '..'");
  }
  if (repo_id.ends_with(".git")) return bad("it ends in .git");
  return {};
}

}  // namespace hubrev
