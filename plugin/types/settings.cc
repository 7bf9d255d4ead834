#include "plugin/types/settings.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>
#include <numeric>

#include "plugin/types/address.h"

namespace hubrev {
namespace {

using nlohmann::json;

const json& properties() {
  static const json schema = json::parse(settings_schema());
  return schema.at("properties");
}

Error config_error(std::string message) {
  return make_error(ErrorKind::kConfig, std::move(message));
}

// For a message; what is no UTF-8 is replaced, where dump() alone would throw.
std::string shown(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitution = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitution});
    }
  }
  return row[b.size()];
}

std::string nearest_key(std::string_view key, const json& properties) {
  std::string best;
  std::size_t best_distance = std::numeric_limits<std::size_t>::max();
  for (const auto& [known, rule] : properties.items()) {
    // A key that was not written to its end ("repo") is nearer than any misspelling.
    const std::size_t distance = known.starts_with(key) ? 0 : edit_distance(key, known);
    if (distance < best_distance) {
      best_distance = distance;
      best = known;
    }
  }
  return best;
}

// Of a list's items; settings that are lists hold text unless their rule says otherwise.
std::string item_type(const json& rule) {
  const auto items = rule.find("items");
  return items == rule.end() ? "string" : items->value("type", "string");
}

bool has_type(const json& value, std::string_view type, const json& rule) {
  if (type == "string") return value.is_string();
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  if (type == "boolean") return value.is_boolean();
  if (type == "null") return value.is_null();
  if (type == "object") return value.is_object();
  if (type == "array") {
    return value.is_array() && std::all_of(value.begin(), value.end(), [&](const json& v) {
             return has_type(v, item_type(rule), rule);
           });
  }
  return false;
}

std::string join_values(const json& values) {
  std::string text;
  for (const json& value : values) {
    if (!text.empty()) text += ", ";
    text += value.is_string() ? value.get<std::string>() : value.dump();
  }
  return text;
}

Status check_items(const std::string& key, const json& value, const json& rule,
                   const std::string& where);

Status check_value(const std::string& key, const json& value, const json& rule,
                   const std::string& where) {
  const json& declared = rule.at("type");
  const json types = declared.is_array() ? declared : json::array({declared});
  const bool type_ok = std::any_of(types.begin(), types.end(), [&](const json& type) {
    return has_type(value, type.get_ref<const std::string&>(), rule);
  });
  if (!type_ok) {
    const std::string expected =
        join_values(types) == "array" ? "a list of " + item_type(rule) + "s" : join_values(types);
    return config_error(where + "'" + key + "' must be " + expected + ", not " + shown(value));
  }
  if (const auto choices = rule.find("enum"); choices != rule.end()) {
    if (std::find(choices->begin(), choices->end(), value) == choices->end()) {
      return config_error(where + "'" + key + "' must be one of " + join_values(*choices) +
                          ", not " + shown(value));
    }
  }
  if (value.is_array() && rule.contains("items")) {
    const auto choices = rule["items"].find("enum");
    const auto bad = [&](const json& item) {
      return std::find(choices->begin(), choices->end(), item) == choices->end();
    };
    if (choices != rule["items"].end() && std::any_of(value.begin(), value.end(), bad)) {
      return config_error(where + "'" + key + "' must be a list of " + join_values(*choices) +
                          ", not " + shown(value));
    }
    HUBREV_CHECK(check_items(key, value, rule["items"], where));
  }
  if (value.is_number()) {
    const double number = value.get<double>();
    if (number < rule.value("minimum", -HUGE_VAL) || number > rule.value("maximum", HUGE_VAL)) {
      return config_error(where + "'" + key + "' must be between " + rule["minimum"].dump() +
                          " and " + rule["maximum"].dump() + ", not " + shown(value));
    }
  }
  return {};
}

Error unknown_key(const std::string& key, const json& properties, const std::string& where) {
  return config_error(where + "unknown setting '" + key + "'; did you mean '" +
                      nearest_key(key, properties) + "'?");
}

// The objects of a list.
Status check_items(const std::string& key, const json& value, const json& rule,
                   const std::string& where) {
  if (!rule.contains("properties")) return {};
  const json& known = rule["properties"];
  for (std::size_t i = 0; i < value.size(); ++i) {
    const std::string here = where + "'" + key + "', item " + std::to_string(i + 1) + ": ";
    for (const auto& [name, part] : value[i].items()) {
      const auto part_rule = known.find(name);
      if (part_rule == known.end()) return unknown_key(name, known, here);
      HUBREV_CHECK(check_value(name, part, *part_rule, here));
    }
    for (const json& name : rule["required"]) {
      const auto& required = name.get_ref<const std::string&>();
      if (!value[i].contains(required)) return config_error(here + "needs '" + required + "'");
    }
  }
  return {};
}

constexpr std::array<std::pair<std::string_view, double>, 7> kUnits = {{
    {"KiB", 1024.0},
    {"MiB", 1024.0 * 1024},
    {"GiB", 1024.0 * 1024 * 1024},
    {"KB", 1e3},
    {"MB", 1e6},
    {"GB", 1e9},
    {"B", 1.0},
}};

// `smallest` in bytes; `example` shows the form in the message.
Result<std::uint64_t> parse_size(const json& all, const char* key, std::uint64_t smallest,
                                 std::string_view example) {
  const json& value = all.at(key);
  double bytes = 0;
  if (value.is_number_integer()) {
    bytes = value.get<double>();
  } else {
    std::string_view text = value.get_ref<const std::string&>();
    double factor = 1;
    for (const auto& [unit, size] : kUnits) {
      if (text.ends_with(unit)) {
        text.remove_suffix(unit.size());
        factor = size;
        break;
      }
    }
    while (text.ends_with(' ')) text.remove_suffix(1);
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), bytes);
    if (code != std::errc() || end != text.data() + text.size()) bytes = -1;
    bytes *= factor;
  }
  if (!(bytes >= static_cast<double>(smallest) && bytes < 9e18)) {
    return config_error("'" + std::string(key) + "' must be a size of at least " +
                        std::to_string(smallest) + " bytes such as " + std::string(example) +
                        ", not " + shown(value));
  }
  return static_cast<std::uint64_t>(bytes);
}

Result<std::optional<std::uint64_t>> parse_limit(const json& all, const char* key,
                                                 std::uint64_t smallest, std::string_view example) {
  if (all.at(key).is_null()) return std::optional<std::uint64_t>();
  HUBREV_TRY(const std::uint64_t bytes, parse_size(all, key, smallest, example));
  return std::optional(bytes);
}

template <typename T>
std::optional<T> optional_number(const json& all, const char* key) {
  const json& value = all.at(key);
  return value.is_null() ? std::nullopt : std::optional<T>(value.get<T>());
}

// No message repeats an address: what is wrong with it may be a password in it.
Status parse_addresses(const json& all, Settings& s) {
  s.repo_id = all.at("repo_id");
  s.username = all.at("username");
  if (s.username.find(':') != std::string::npos) {
    return config_error("'username' must not hold a ':'; set HF_TOKEN to the password");
  }
  HUBREV_TRY(s.endpoint, parse_server_url("endpoint", all.at("endpoint").get<std::string>()));
  if (const auto& lfs_url = all.at("lfs_url").get_ref<const std::string&>(); !lfs_url.empty()) {
    HUBREV_TRY(s.lfs_url, parse_server_url("lfs_url", lfs_url));
  }
  if (s.repo_id.empty()) return {};
  if (!is_repository_url(s.repo_id)) return check_repo_id(s.repo_id);
  HUBREV_TRY(const RepositoryUrl address, parse_repository_url(s.repo_id));
  s.repo_id = address.url;
  s.endpoint = address.server;
  if (!address.username.empty()) s.username = address.username;
  return {};
}

template <typename E>
E choice(const json& all, const char* key,
         std::initializer_list<std::pair<const char*, E>> values) {
  const auto& text = all.at(key).get_ref<const std::string&>();
  for (const auto& [name, value] : values) {
    if (text == name) return value;
  }
  return values.begin()->second;  // unreachable: check_settings saw the enum
}

std::chrono::milliseconds seconds(const json& all, const char* key) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(all.at(key).get<double>() * 1000));
}

Status check_values(const json& partial, std::string_view origin) {
  const std::string where = std::string(origin) + ": ";
  if (!partial.is_object()) return config_error(where + "settings must be a JSON object");
  for (const auto& [key, value] : partial.items()) {
    if (key.find("token") != std::string::npos) {
      return config_error(where + "'" + key +
                          "' is refused: tokens are never settings; set HF_TOKEN instead");
    }
    const auto rule = properties().find(key);
    if (rule == properties().end()) return unknown_key(key, properties(), where);
    HUBREV_CHECK(check_value(key, value, *rule, where));
  }
  return {};
}

}  // namespace

json default_settings() {
  json all = json::object();
  for (const auto& [key, rule] : properties().items()) all[key] = rule.at("default");
  return all;
}

Status check_settings(const json& partial, std::string_view origin) {
  HUBREV_CHECK(check_values(partial, origin));
  const auto how = partial.find("revision_template");
  if (how == partial.end()) return {};
  const Status fills = check_revision_template(how->get_ref<const std::string&>());
  return fills.ok() ? fills : with_context(fills.error(), origin);
}

Result<Settings> parse_settings(const json& partial) {
  HUBREV_CHECK(check_values(partial, "settings"));
  json all = default_settings();
  all.update(partial);

  Settings s;
  HUBREV_CHECK(parse_addresses(all, s));
  s.provider = choice<ProviderChoice>(all, "provider",
                                      {{"auto", ProviderChoice::kAuto},
                                       {"hub", ProviderChoice::kHub},
                                       {"git", ProviderChoice::kGit}});
  if (!all.at("private").is_null()) s.private_repo = all.at("private").get<bool>();
  s.revision = all.at("revision");
  s.revision_template = all.at("revision_template");
  s.exists = choice<ExistingRevision>(all, "exists",
                                      {{"verify", ExistingRevision::kVerify},
                                       {"overwrite", ExistingRevision::kOverwrite},
                                       {"suffix", ExistingRevision::kSuffix}});
  s.allow_http = all.at("allow_http");
  s.mode = choice<Mode>(all, "mode",
                        {{"push", Mode::kPush}, {"spool", Mode::kSpool}, {"sync", Mode::kSync}});
  s.selection.contents = choice<Contents>(
      all, "contents", {{"inference", Contents::kInference}, {"full", Contents::kFull}});
  all.at("ignore_patterns").get_to(s.selection.ignore_patterns);
  s.eos = choice<EosPolicy>(
      all, "eos",
      {{"align", EosPolicy::kAlign}, {"replace", EosPolicy::kReplace}, {"off", EosPolicy::kOff}});
  s.use_cache = choice<UseCachePolicy>(
      all, "use_cache", {{"restore", UseCachePolicy::kRestore}, {"off", UseCachePolicy::kOff}});
  s.card = choice<CardPolicy>(all, "card",
                              {{"complete", CardPolicy::kComplete}, {"off", CardPolicy::kOff}});
  HUBREV_TRY(s.max_shard_size, parse_size(all, "max_shard_size", 1024, "4.5GB"));
  HUBREV_TRY(s.max_put_size, parse_limit(all, "max_put_size", 1, "5GiB"));
  HUBREV_TRY(s.transfer_agents,
             parse_transfer_agents(all.at("transfer_agents"),
                                   properties()["transfer_agents"]["items"]["properties"]));
  s.frozen_tensors = choice<FrozenTensors>(
      all, "frozen_tensors", {{"share", FrozenTensors::kShare}, {"off", FrozenTensors::kOff}});
  s.secret_scan = choice<SecretScan>(all, "secret_scan",
                                     {{"withhold", SecretScan::kWithhold},
                                      {"fail", SecretScan::kFail},
                                      {"off", SecretScan::kOff}});
  all.at("tags").get_to(s.tags);
  all.at("datasets").get_to(s.datasets);
  s.base_model = all.at("base_model");
  s.license = all.at("license");
  s.system_prompt = all.at("system_prompt");
  s.spool_dir = all.at("spool_dir");
  HUBREV_TRY(s.max_spool_bytes, parse_limit(all, "max_spool_bytes", 1, "500GB"));
  HUBREV_TRY(s.min_free_bytes, parse_size(all, "min_free_bytes", 0, "1GB"));
  s.max_pending = optional_number<std::size_t>(all, "max_pending");
  s.when_full = choice<WhenFull>(all, "when_full",
                                 {{"skip_new", WhenFull::kSkipNew},
                                  {"drop_oldest", WhenFull::kDropOldest},
                                  {"newest_only", WhenFull::kNewestOnly},
                                  {"wait", WhenFull::kWait}});
  s.when_full_timeout = seconds(all, "when_full_timeout");
  s.max_pushes_per_hour = optional_number<int>(all, "max_pushes_per_hour");
  HUBREV_TRY(s.max_upload_rate, parse_limit(all, "max_upload_rate", 1024, "20MB"));
  s.concurrency = all.at("concurrency").get<std::size_t>();
  s.priority = choice<ThreadPriority>(
      all, "priority", {{"low", ThreadPriority::kLow}, {"normal", ThreadPriority::kNormal}});
  s.max_retries = all.at("max_retries");
  s.retry_max_delay = seconds(all, "retry_max_delay");
  s.connect_timeout = seconds(all, "connect_timeout");
  s.stall_timeout = seconds(all, "stall_timeout");
  return s;
}

}  // namespace hubrev
