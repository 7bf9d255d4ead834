#pragma once
// The settings: every key, its meaning, unit and default stand in configs/schema.json, which is
// compiled in. This file only gives them C++ types.

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugin/base/pool.h"
#include "plugin/base/result.h"
#include "plugin/types/transfer_agent.h"

namespace hubrev {

// What a process does with the spool: put in and push, only put in, only push.
enum class Mode { kPush, kSpool, kSync };
enum class ProviderChoice { kAuto, kHub, kGit };
enum class Contents { kInference, kFull };
enum class EosPolicy { kAlign, kReplace, kOff };
enum class UseCachePolicy { kRestore, kOff };
enum class CardPolicy { kComplete, kOff };
enum class ExistingRevision { kVerify, kOverwrite, kSuffix };
enum class FrozenTensors { kShare, kOff };
enum class SecretScan { kWithhold, kFail, kOff };
enum class WhenFull { kSkipNew, kDropOldest, kNewestOnly, kWait };

// What of a checkpoint goes into its revision.
struct Selection {
  Contents contents = Contents::kInference;
  std::vector<std::string> ignore_patterns = {};  // as huggingface_hub's (snapshot/contents.h)
};

struct Settings {
  std::string repo_id;   // "[namespace/]name", or the repository's URL without a user name
  std::string endpoint;  // that of repo_id where it is a URL
  std::string username;  // that of repo_id where it names one
  std::string lfs_url;   // "" for <repository>.git/info/lfs
  ProviderChoice provider = ProviderChoice::kAuto;
  std::optional<bool> private_repo;
  std::string revision;           // prefix; "" for none
  std::string revision_template;  // "" for the default
  ExistingRevision exists = ExistingRevision::kVerify;
  bool allow_http = false;
  Mode mode = Mode::kPush;

  Selection selection;
  EosPolicy eos = EosPolicy::kAlign;
  UseCachePolicy use_cache = UseCachePolicy::kRestore;
  CardPolicy card = CardPolicy::kComplete;
  std::uint64_t max_shard_size = 0;           // bytes
  std::optional<std::uint64_t> max_put_size;  // bytes; absent: the provider's
  std::vector<TransferAgent> transfer_agents;
  FrozenTensors frozen_tensors = FrozenTensors::kShare;
  SecretScan secret_scan = SecretScan::kWithhold;
  std::vector<std::string> tags;
  std::vector<std::string> datasets;
  std::string base_model;
  std::string license;
  std::string system_prompt;

  std::string spool_dir;  // "" for <output_dir>/_hub_revisions
  std::optional<std::uint64_t> max_spool_bytes;
  std::uint64_t min_free_bytes = 0;
  std::optional<std::size_t> max_pending;
  WhenFull when_full = WhenFull::kSkipNew;
  std::chrono::milliseconds when_full_timeout{0};
  std::optional<int> max_pushes_per_hour;
  std::optional<std::uint64_t> max_upload_rate;  // bytes per second
  std::size_t concurrency = 0;
  ThreadPriority priority = ThreadPriority::kLow;
  int max_retries = 0;
  std::chrono::milliseconds retry_max_delay{0};
  std::chrono::milliseconds connect_timeout{0};
  std::chrono::milliseconds stall_timeout{0};
};

// configs/schema.json, word for word.
std::string_view settings_schema();
// Every key with its default value.
nlohmann::json default_settings();
// Checks keys, types, ranges and choices of a partial settings object. kConfig names `origin`, the
// key and the remedy; an unknown key names the nearest known one; a token is refused, and a
// revision_template that cannot be filled.
Status check_settings(const nlohmann::json& partial, std::string_view origin);
// The typed form of defaults overlaid with `partial`, whose values are checked first; a template
// is not, since revisions that have their names do without it.
Result<Settings> parse_settings(const nlohmann::json& partial);

// What a revision's name is made from.
struct RevisionFields {
  std::string prefix;  // Settings::revision
  std::int64_t step = 0;
  std::optional<double> epoch;
  std::optional<std::int64_t> tokens;  // seen so far
  std::string run;                     // the search trial's folder, "run-3"; "" outside a search
};
// A filled 'revision_template', or the default one. kConfig when a placeholder is unknown or the
// outcome is no valid branch name.
Result<std::string> render_revision(const Settings& settings, const RevisionFields& fields);

// kConfig for what render_revision() refuses whatever the fields are; "" is the default template.
Status check_revision_template(std::string_view revision_template);

// Rules of git check-ref-format for a branch, and of the Hub (no leading "refs/").
Status check_revision_name(std::string_view revision);
// The Hub's rule: [namespace/]name of [A-Za-z0-9._-], at most 96, no "--" or "..", no leading or
// trailing '-' or '.', no ".git" at the end.
Status check_repo_id(std::string_view repo_id);

}  // namespace hubrev
