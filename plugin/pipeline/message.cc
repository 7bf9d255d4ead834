#include "plugin/pipeline/message.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "plugin/base/sha256.h"

namespace hubrev {
namespace {

constexpr std::string_view kRevision = "Hub-Revision";
constexpr std::string_view kStep = "Step";
constexpr std::string_view kEpoch = "Epoch";
constexpr std::string_view kTokens = "Tokens";
constexpr std::string_view kMetric = "Metric";
constexpr std::string_view kFix = "Fix";
constexpr std::string_view kDigest = "Content-Digest";
constexpr std::string_view kPromoted = "Promoted-Revision";
constexpr std::string_view kPromotedCommit = "Promoted-Commit";

// The shortest text that reads back as the same number.
std::string number_text(double value) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
}

// A trailer is one line; what would end it becomes a space.
std::string one_line(std::string_view text) {
  std::string line(text);
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  return line;
}

void add_trailer(std::string& message, std::string_view key, std::string_view value) {
  message += std::string(key) + ": " + one_line(value) + "\n";
}

template <typename T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

void read_trailer(std::string_view key, std::string_view value, RevisionFacts& facts) {
  if (key == kRevision) facts.revision = value;
  if (key == kStep) facts.step = parse_number<std::int64_t>(value);
  if (key == kEpoch) facts.epoch = parse_number<double>(value);
  if (key == kTokens) facts.tokens = parse_number<std::int64_t>(value);
  if (key == kFix) facts.fixes.emplace_back(value);
  if (key == kDigest) facts.content_digest = value;
  if (key == kPromoted) facts.promoted = value;
  if (key == kMetric) {
    // Metric names may hold '='; numbers do not.
    const std::size_t equals = value.rfind('=');
    if (equals == std::string_view::npos) return;
    if (const auto number = parse_number<double>(value.substr(equals + 1))) {
      facts.metrics[std::string(value.substr(0, equals))] = *number;
    }
  }
}

}  // namespace

std::string revision_message(const JobRecord& record, std::string_view content_digest) {
  std::string message = "Checkpoint " + one_line(record.revision) + "\n\n";
  add_trailer(message, kRevision, record.revision);
  if (record.step) add_trailer(message, kStep, std::to_string(*record.step));
  if (record.epoch) add_trailer(message, kEpoch, number_text(*record.epoch));
  if (record.tokens) add_trailer(message, kTokens, std::to_string(*record.tokens));
  for (const auto& [name, value] : record.metrics) {
    if (std::isfinite(value)) add_trailer(message, kMetric, name + "=" + number_text(value));
  }
  for (const FixReport& fix : record.fixes) {
    if (fix.outcome == FixOutcome::kApplied)
      add_trailer(message, kFix, fix.name + ": " + fix.detail);
  }
  add_trailer(message, kDigest, content_digest);
  return message;
}

std::string promote_message(std::string_view revision, const GitId& commit) {
  std::string message = "Promote " + one_line(revision) + "\n\n";
  add_trailer(message, kPromoted, revision);
  add_trailer(message, kPromotedCommit, commit.hex());
  return message;
}

RevisionFacts parse_message(std::string_view message) {
  RevisionFacts facts;
  // Trailers are the last paragraph; the title above can then say what it likes.
  while (message.ends_with('\n')) message.remove_suffix(1);
  if (const std::size_t blank = message.rfind("\n\n"); blank != std::string_view::npos) {
    message.remove_prefix(blank + 2);
  }
  while (!message.empty()) {
    const std::size_t end = std::min(message.find('\n'), message.size());
    const std::string_view line = message.substr(0, end);
    if (const std::size_t colon = line.find(": "); colon != std::string_view::npos) {
      read_trailer(line.substr(0, colon), line.substr(colon + 2), facts);
    }
    message.remove_prefix(std::min(end + 1, message.size()));
  }
  return facts;
}

std::string content_digest(std::vector<FileDigest> files) {
  std::sort(files.begin(), files.end(),
            [](const FileDigest& a, const FileDigest& b) { return a.path < b.path; });
  Sha256Hasher hasher;
  for (const FileDigest& file : files) hasher.update(file.sha256.hex() + "  " + file.path + "\n");
  return "sha256:" + hasher.finish().hex();
}

}  // namespace hubrev
