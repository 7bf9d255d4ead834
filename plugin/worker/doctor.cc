#include "plugin/worker/doctor.h"

#include <unistd.h>

#include <filesystem>
#include <string_view>
#include <utility>

#include "plugin/hub/hub_client.h"
#include "plugin/pipeline/connection.h"
#include "plugin/snapshot/freeze.h"
#include "plugin/worker/transport.h"

namespace hubrev {
namespace {

Finding finding(std::string check, const Error& error) {
  return {std::move(check), false, error.message};
}

Finding check_token(const HubConnection& hub, const Settings& settings,
                    const std::stop_token& stop) {
  auto identity = whoami(hub, stop);
  if (!identity.ok()) return finding("token", identity.error());
  if (const Status role = check_role(*identity, settings.repo_id); !role.ok()) {
    return finding("token", role.error());
  }
  const std::string role = identity->role.empty() ? "" : ", role " + identity->role;
  return {"token", true, "accepted by " + hub.endpoint + " as " + identity->name + role};
}

Finding check_repository(Connection& connection, const Settings& settings,
                         const std::stop_token& stop) {
  auto target = connection.prepare(settings, "", connection.retry(), stop);
  if (!target.ok()) return finding("repository", target.error());
  return {"repository", true, target->repo_id + " can be written"};
}

std::string_view describe(FreezeMethod method) {
  switch (method) {
    case FreezeMethod::kReflink:
      return "reflinked: a snapshot costs no space and is safe from rewriting";
    case FreezeMethod::kHardLink:
      return "hard-linked: a snapshot costs no space while the checkpoint exists";
    case FreezeMethod::kCopy:
      return "copied: put 'spool_dir' on the checkpoints' file system to avoid it";
    case FreezeMethod::kPacked:
      return "packed";
  }
  return "";
}

// The folder itself or, where it is not made yet, the one that it will be made in.
std::string existing_part(const std::string& folder) {
  std::error_code ignored;
  std::filesystem::path path = std::filesystem::absolute(folder, ignored);
  while (path.has_relative_path() && !std::filesystem::is_directory(path, ignored)) {
    path = path.parent_path();
  }
  return path.string();
}

// Freezes one file that is just large enough not to be copied for its smallness.
Finding check_spool(const Settings& settings, const std::string& output_dir) {
  namespace fs = std::filesystem;
  const std::string mark = "/_hub_revisions_doctor_" + std::to_string(::getpid());
  const std::string source = existing_part(output_dir) + mark;
  const std::string spool =
      existing_part(settings.spool_dir.empty() ? output_dir : settings.spool_dir);
  const std::string frozen = spool + mark + "_frozen";
  std::error_code ignored;
  const auto probe = [&]() -> Result<FreezeOutcome> {
    HUBREV_CHECK(make_private_directory(source));
    HUBREV_CHECK(write_file_atomic(source + "/probe.safetensors",
                                   std::string(kHardLinkFromBytes, '\0'), Durability::kRename));
    return freeze_checkpoint({source, frozen, Contents::kInference});
  };
  auto outcome = probe();
  fs::remove_all(source, ignored);
  fs::remove_all(frozen, ignored);
  if (!outcome.ok()) return finding("spool", outcome.error());
  return {
      "spool", true,
      "large files in " + spool + " are " + std::string(describe(outcome->frozen.front().method))};
}

Finding check_space(const std::string& output_dir) {
  std::error_code code;
  const std::string folder = existing_part(output_dir);
  const auto space = std::filesystem::space(folder, code);
  if (code) return {"free space", false, folder + ": " + code.message()};
  return {"free space", true,
          std::to_string(space.available / 1'000'000'000) + " GB free in " + folder};
}

}  // namespace

std::vector<Finding> doctor(const Settings& settings, const Secret& token,
                            const std::string& output_dir, const std::stop_token& stop) {
  const std::unique_ptr<HttpClient> http = make_http(settings, nullptr);
  RetryContext retry = make_retry(settings, nullptr);
  retry.policy.max_retries = 1;  // a person is waiting
  Connection connection(*http, retry, token);
  std::vector<Finding> findings;
  if (settings.provider != ProviderChoice::kGit) {
    findings.push_back(check_token({http.get(), retry, settings.endpoint, token}, settings, stop));
  }
  if (!settings.repo_id.empty()) findings.push_back(check_repository(connection, settings, stop));
  findings.push_back(check_spool(settings, output_dir));
  findings.push_back(check_space(output_dir));
  return findings;
}

}  // namespace hubrev
