#include "plugin/types/job_record.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <exception>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "plugin/base/utf8.h"
#include "plugin/types/json_read.h"

namespace hubrev {
namespace {

using nlohmann::json;

template <typename E, std::size_t kCount>
using Names = std::array<std::pair<E, std::string_view>, kCount>;

constexpr Names<JobState, 11> kStates = {{
    {JobState::kSkipped, "skipped"},
    {JobState::kQueued, "queued"},
    {JobState::kFixing, "fixing"},
    {JobState::kUploading, "uploading"},
    {JobState::kPushing, "pushing"},
    {JobState::kConfirming, "confirming"},
    {JobState::kDone, "done"},
    {JobState::kFailed, "failed"},
    {JobState::kCancelled, "cancelled"},
    {JobState::kSuperseded, "superseded"},
    {JobState::kDropped, "dropped"},
}};

constexpr Names<FreezeMethod, 4> kMethods = {{
    {FreezeMethod::kReflink, "reflink"},
    {FreezeMethod::kHardLink, "hardlink"},
    {FreezeMethod::kCopy, "copy"},
    {FreezeMethod::kPacked, "packed"},
}};

constexpr Names<FixOutcome, 3> kOutcomes = {{
    {FixOutcome::kApplied, "applied"},
    {FixOutcome::kUnchanged, "unchanged"},
    {FixOutcome::kSkipped, "skipped"},
}};

template <typename E, std::size_t kCount>
std::string_view name_of(const Names<E, kCount>& names, E value) {
  for (const auto& [v, name] : names) {
    if (v == value) return name;
  }
  return names.front().second;
}

template <typename E, std::size_t kCount>
std::optional<E> value_of(const Names<E, kCount>& names, std::string_view text) {
  for (const auto& [v, name] : names) {
    if (name == text) return v;
  }
  return std::nullopt;
}

std::string indented(const json& value) {
  return value.dump(1, ' ', false, json::error_handler_t::replace);
}

void append_string(std::string& text, std::string_view value) {
  const bool plain = std::all_of(value.begin(), value.end(), [](char c) {
    return c >= ' ' && c <= '~' && c != '"' && c != '\\';
  });
  if (plain) {
    text.append("\"").append(value).append("\"");
  } else {
    text += indented(json(value));
  }
}

template <typename Number>
void append_member(std::string& text, std::string_view key, Number number) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.begin(), digits.end(), number).ptr;
  text.append(", \"").append(key).append("\": ").append(digits.begin(), end);
}

// Text at once: training waits for this once for each file, and nodes of JSON take five times as
// long.
void append_frozen(std::string& text, const FrozenFile& file) {
  text += "  {\"path\": ";
  append_string(text, file.path);
  text.append(", \"method\": \"").append(name_of(kMethods, file.method)).append("\"");
  append_member(text, "inode", file.stamp.inode);
  append_member(text, "size", file.stamp.size);
  append_member(text, "mtime_ns", file.stamp.mtime_ns);
  append_member(text, "offset", file.offset);
  append_member(text, "length", file.length);
  text += "}";
}

// A number as it stands. nlohmann would wrap a whole one around, cut a fraction off, and convert
// what does not fit, which is undefined.
template <typename Number>
Number number_of(const json& value, const char* key) {
  bool fits = value.is_number();
  if constexpr (std::is_integral_v<Number>) {
    fits = value.is_number_unsigned()
               ? std::in_range<Number>(value.get<std::uint64_t>())
               : value.is_number_integer() && std::in_range<Number>(value.get<std::int64_t>());
  }
  if (!fits) throw std::invalid_argument(std::string(key) + " is no number, or not in its range");
  return value.get<Number>();
}

template <typename Number>
void read_number(const json& j, const char* key, Number& number) {
  number = number_of<Number>(j.at(key), key);
}

FrozenFile frozen_from_json(const json& j) {
  FrozenFile file;
  file.path = j.at("path").get<std::string>();
  const auto method = value_of(kMethods, j.at("method").get<std::string>());
  if (!method) throw std::invalid_argument("unknown freeze method");
  file.method = *method;
  read_number(j, "inode", file.stamp.inode);
  read_number(j, "size", file.stamp.size);
  read_number(j, "mtime_ns", file.stamp.mtime_ns);
  read_number(j, "offset", file.offset);
  read_number(j, "length", file.length);
  return file;
}

json folder_to_json(const std::optional<FileStamp>& stamp) {
  if (!stamp) return nullptr;
  return {{"inode", stamp->inode}, {"mtime_ns", stamp->mtime_ns}};
}

std::optional<FileStamp> folder_from_json(const json& j) {
  if (j.is_null()) return std::nullopt;
  FileStamp stamp;
  read_number(j, "inode", stamp.inode);
  read_number(j, "mtime_ns", stamp.mtime_ns);
  return stamp;
}

json fix_to_json(const FixReport& fix) {
  return {{"name", fix.name},
          {"outcome", name_of(kOutcomes, fix.outcome)},
          {"detail", fix.detail},
          {"files", fix.files}};
}

FixReport fix_from_json(const json& j) {
  FixReport fix;
  fix.name = j.at("name").get<std::string>();
  const auto outcome = value_of(kOutcomes, j.at("outcome").get<std::string>());
  if (!outcome) throw std::invalid_argument("unknown fix outcome");
  fix.outcome = *outcome;
  fix.detail = j.at("detail").get<std::string>();
  j.at("files").get_to(fix.files);
  return fix;
}

json error_to_json(const Error& error) {
  return {{"kind", to_string(error.kind)},
          {"message", error.message},
          {"http_status", error.http_status},
          {"request_id", error.request_id}};
}

Error error_from_json(const json& j) {
  Error error;
  error.kind =
      error_kind_from_string(j.at("kind").get<std::string>()).value_or(ErrorKind::kInternal);
  error.message = j.at("message").get<std::string>();
  if (j.contains("http_status")) read_number(j, "http_status", error.http_status);
  error.request_id = j.value("request_id", "");
  return error;
}

template <typename T>
json optional_to_json(const std::optional<T>& value) {
  return value ? json(*value) : json(nullptr);
}

template <typename T>
void optional_from_json(const json& j, const char* key, std::optional<T>& value) {
  if (const auto at = j.find(key); at != j.end() && !at->is_null()) value = number_of<T>(*at, key);
}

SharedSettings settings_from_json(const json& j) {
  if (!j.is_object()) throw std::invalid_argument("settings are no object");
  for (const char* key : {"endpoint", "repo_id"}) {
    if (j.contains(key) && !j[key].is_string()) {
      throw std::invalid_argument(std::string(key) + " is no string");
    }
  }
  return share_settings(j);
}

JobRecord parse(const json& j) {
  JobRecord r;
  r.id = j.at("id").get<std::string>();
  r.revision = j.at("revision").get<std::string>();
  r.directory = j.at("directory").get<std::string>();
  r.from_spool = j.value("from_spool", "");
  optional_from_json(j, "saved_ns", r.saved_ns);
  optional_from_json(j, "step", r.step);
  optional_from_json(j, "epoch", r.epoch);
  optional_from_json(j, "tokens", r.tokens);
  optional_from_json(j, "eos_token_id", r.eos_token_id);
  for (const auto& [name, value] : j.at("metrics").items()) {
    // JSON has no NaN; a metric that was not a number is stored as null.
    if (value.is_number()) r.metrics[name] = value.get<double>();
  }
  read_number(j, "created_ms", r.created_ms);
  r.settings = settings_from_json(j.at("settings"));
  for (const json& file : j.at("frozen")) r.frozen.push_back(frozen_from_json(file));
  j.at("excluded").get_to(r.excluded);
  r.skipped_folder = folder_from_json(j.value("skipped_folder", json(nullptr)));
  if (j.contains("suffix")) read_number(j, "suffix", r.suffix);
  if (r.suffix != 0 && !r.revision.ends_with("-" + std::to_string(r.suffix))) {
    throw std::invalid_argument("the revision does not end in its suffix");
  }
  const auto state = job_state_from_string(j.at("state").get<std::string>());
  if (!state) throw std::invalid_argument("unknown state");
  r.state = *state;
  if (const json& error = j.at("error"); !error.is_null()) r.error = error_from_json(error);
  for (const json& fix : j.at("fixes")) r.fixes.push_back(fix_from_json(fix));
  j.at("warnings").get_to(r.warnings);
  j.at("repo_id").get_to(r.repo_id);
  j.at("commit").get_to(r.commit);
  read_number(j, "updated_ms", r.updated_ms);
  read_number(j, "freeze_ms", r.freeze_ms);
  read_number(j, "push_seconds", r.push_seconds);
  read_number(j, "bytes_total", r.bytes_total);
  read_number(j, "bytes_sent", r.bytes_sent);
  read_number(j, "bytes_present", r.bytes_present);
  read_number(j, "attempts", r.attempts);
  return r;
}

// A record's own depth is 4; its settings may hold more.
constexpr int kMaxDepth = 64;

}  // namespace

std::string_view to_string(JobState state) {
  return name_of(kStates, state);
}

std::optional<JobState> job_state_from_string(std::string_view name) {
  return value_of(kStates, name);
}

bool is_final(JobState state) {
  return state >= JobState::kDone;
}

SharedSettings share_settings(json values) {
  std::string text = indented(values);
  for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2) {
    text.insert(at + 1, " ");
  }
  return std::make_shared<RecordedSettings>(RecordedSettings{std::move(values), std::move(text)});
}

std::string to_text(const JobRecord& r) {
  std::string text = indented(summary_to_json(r));
  text.resize(text.size() - std::string_view("\n}").size());
  text += ",\n \"frozen\": [";
  for (const FrozenFile& file : r.frozen) {
    text += &file == &r.frozen.front() ? "\n" : ",\n";
    append_frozen(text, file);
  }
  text.append("],\n \"settings\": ").append(r.settings->text).append("\n}\n");
  return text;
}

json summary_to_json(const JobRecord& r) {
  // Member by member: an initializer list would copy each value twice, and training waits for it.
  json j = json::object();
  j["id"] = r.id;
  j["revision"] = r.revision;
  j["directory"] = r.directory;
  j["from_spool"] = r.from_spool;
  j["saved_ns"] = optional_to_json(r.saved_ns);
  j["step"] = optional_to_json(r.step);
  j["epoch"] = optional_to_json(r.epoch);
  j["tokens"] = optional_to_json(r.tokens);
  j["metrics"] = r.metrics;
  j["eos_token_id"] = optional_to_json(r.eos_token_id);
  j["created_ms"] = r.created_ms;
  j["excluded"] = r.excluded;
  j["skipped_folder"] = folder_to_json(r.skipped_folder);
  j["suffix"] = r.suffix;
  j["state"] = to_string(r.state);
  j["error"] = r.error ? error_to_json(*r.error) : json(nullptr);
  json& fixes = j["fixes"] = json::array();
  for (const FixReport& fix : r.fixes) fixes.push_back(fix_to_json(fix));
  j["warnings"] = r.warnings;
  j["repo_id"] = r.repo_id;
  j["commit"] = r.commit;
  j["updated_ms"] = r.updated_ms;
  j["freeze_ms"] = r.freeze_ms;
  j["push_seconds"] = r.push_seconds;
  j["bytes_total"] = r.bytes_total;
  j["bytes_sent"] = r.bytes_sent;
  j["bytes_present"] = r.bytes_present;
  j["attempts"] = r.attempts;
  return j;
}

Result<JobRecord> job_record_from_json(std::string_view text) {
  if (nests_deeper(text, kMaxDepth)) {
    return make_error(ErrorKind::kCorrupt, "not a job record: it nests too deeply");
  }
  try {
    return parse(json::parse(text));
  } catch (const std::exception& e) {
    // nlohmann reports both syntax and type errors by exception, and quotes what it read.
    constexpr std::size_t kLongest = 500;
    return make_error(ErrorKind::kCorrupt, "not a job record: " + shown_text(e.what(), kLongest));
  }
}

}  // namespace hubrev
