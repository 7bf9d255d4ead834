// The only file that knows every stage. It reads like the arrow in ARCHITECTURE.md.
#include "plugin/pipeline/run_job.h"

#include <chrono>
#include <filesystem>
#include <utility>

#include "plugin/base/sha256.h"
#include "plugin/fixes/apply_fixes.h"
#include "plugin/git/commit_writer.h"
#include "plugin/git/remote.h"
#include "plugin/git/repository.h"
#include "plugin/hub/hub_client.h"
#include "plugin/lfs/uploader.h"
#include "plugin/pipeline/message.h"
#include "plugin/pipeline/plan.h"
#include "plugin/safetensors/completeness.h"
#include "plugin/safetensors/virtual_shards.h"
#include "plugin/snapshot/open_snapshot.h"

namespace hubrev {
namespace {

constexpr const char* kAuthorName = "hub-revisions";
constexpr const char* kAuthorEmail = "hub-revisions@localhost";
constexpr std::uint64_t kLargestCard = 2u << 20;  // a card of 1 MiB with our section added

Status enter(JobState state, JobRecord& record, const JobContext& context) {
  record.state = state;
  record.updated_ms = context.clock->unix_ms();
  for (std::string& warning : record.warnings) warning = context.log->redacted(warning);
  HUBREV_CHECK(context.spool->save(record));
  context.on_change(record);
  context.log->write(LogLevel::kInfo, record.revision + ": " + std::string(to_string(state)));
  return {};
}

FixContext fix_context(const JobRecord& record, const Settings& settings, const Target& target,
                       const JobContext& context) {
  FixContext fix;
  fix.eos = settings.eos;
  fix.use_cache = settings.use_cache;
  fix.card = settings.card;
  fix.eos_token_id = record.eos_token_id;
  fix.repo_id = target.repo_id;
  fix.revision = record.revision;
  fix.endpoint = target.endpoint;
  fix.step = record.step;
  fix.epoch = record.epoch;
  fix.metrics = record.metrics;
  fix.tags = settings.tags;
  fix.datasets = settings.datasets;
  fix.base_model = settings.base_model;
  fix.license = settings.license;
  if (auto card = read_file(context.spool->card_path(record.id), kLargestCard); card.ok()) {
    fix.trainer_card = *std::move(card);
  }
  return fix;
}

// The contents fix happens when the checkpoint is frozen; here it is only named.
FixReport contents_report(const JobRecord& record) {
  FixReport report;
  report.name = "contents";
  report.outcome = record.excluded.empty() ? FixOutcome::kUnchanged : FixOutcome::kApplied;
  report.detail = "left out:";
  for (const std::string& path : record.excluded) report.detail += " " + path;
  if (record.excluded.empty()) report.detail = "nothing to leave out";
  return report;
}

void take_reports(JobRecord& record, std::vector<FixReport> reports,
                  std::vector<std::string> warnings) {
  for (FixReport& report : reports) record.fixes.push_back(std::move(report));
  for (std::string& warning : warnings) record.warnings.push_back(std::move(warning));
}

// The server has the last word on a card's metadata, and says it as a refusal of the whole push:
// ask first, since a card must not cost the weights.
Status have_card_accepted(Snapshot& snapshot, const FixContext& fix, JobRecord& record,
                          const Connection& connection, const std::stop_token& stop) {
  const Entry* card = find_entry(snapshot, "README.md");
  if (card == nullptr) return {};
  HUBREV_TRY(const std::string text, card->source.read_all(kLargestCard));
  const HubConnection hub{&connection.http(), connection.retry(), fix.endpoint, connection.token()};
  const auto warnings = validate_card(hub, text, stop);
  if (warnings.ok()) return {};
  if (warnings.error().kind != ErrorKind::kRejected) return warnings.error();
  record.warnings.push_back("README.md was replaced by a minimal card: " +
                            warnings.error().message);
  HUBREV_TRY(Entry minimal, minimal_card(snapshot, fix));
  put_entry(snapshot, std::move(minimal));
  return {};
}

Result<CommitPlan> fix_and_plan(Snapshot snapshot, JobRecord& record, const Settings& settings,
                                const Target& target, const JobContext& context,
                                const std::stop_token& stop) {
  record.fixes = {contents_report(record)};
  record.warnings.clear();
  const FixContext fix = fix_context(record, settings, target, context);
  HUBREV_TRY(FixedSnapshot fixed, apply_fixes(std::move(snapshot), fix));
  take_reports(record, std::move(fixed.reports), std::move(fixed.warnings));
  if (target.provider == Provider::kHub && settings.card == CardPolicy::kComplete) {
    HUBREV_CHECK(have_card_accepted(fixed.snapshot, fix, record, *context.connection, stop));
  }
  HUBREV_TRY(ShardedSnapshot sharded,
             apply_virtual_shards(std::move(fixed.snapshot), settings.max_shard_size));
  take_reports(record, std::move(sharded.reports), std::move(sharded.warnings));
  for (const std::string& warning : record.warnings) {
    context.log->write(LogLevel::kWarning, record.revision + ": " + warning);
  }
  return make_plan(sharded.snapshot);
}

void count_bytes(const CommitPlan& plan, JobRecord& record, Progress& progress) {
  std::uint64_t in_lfs = 0;
  std::uint64_t in_git = 0;
  for (const LfsFile& file : plan.lfs_files) in_lfs += file.source.size();
  for (const GitBlob& blob : plan.blobs) in_git += blob.bytes.size();
  progress.bytes_total = in_lfs;
  record.bytes_total = in_lfs + in_git;
}

std::string digest_of(const CommitPlan& plan, const std::vector<LfsObject>& objects) {
  std::vector<FileDigest> digests;
  for (const GitBlob& blob : plan.blobs) digests.push_back({blob.path, sha256(blob.bytes)});
  for (const LfsObject& object : objects) digests.push_back({object.path, object.oid});
  return content_digest(std::move(digests));
}

Result<GitId> commit_and_push(const CommitPlan& plan, const std::vector<LfsObject>& objects,
                              JobRecord& record, const Settings& settings, const Target& target,
                              const JobContext& context, const std::stop_token& stop) {
  // Made anew each time: after a power loss an old one may hold objects that never reached the
  // disk.
  std::error_code ignored;
  std::filesystem::remove_all(context.spool->work_directory(record.id), ignored);
  HUBREV_TRY(Repository repository, Repository::create(context.spool->work_directory(record.id)));
  const Signature signature{kAuthorName, kAuthorEmail, record.created_ms / 1000};
  HUBREV_TRY(const GitId commit,
             write_root_commit(
                 repository, make_commit_content(plan, objects,
                                                 revision_message(record, digest_of(plan, objects)),
                                                 signature)));
  record.commit = commit.hex();
  HUBREV_CHECK(enter(JobState::kPushing, record, context));
  const Remote remote{repository_url(target), git_credential(target), &context.connection->http(),
                      context.connection->retry()};
  PushRequest request;
  request.commit = commit;
  request.ref = "refs/heads/" + target.revision;
  request.existing = settings.if_exists;
  auto first = push(repository, remote, request, stop);
  // A push that timed out here may land there just before its repetition, which then finds the ref
  // moved: the second look says "already there".
  const bool raced = !first.ok() && first.error().kind == ErrorKind::kConflict &&
                     settings.if_exists == ExistingRevision::kReplace;
  HUBREV_TRY(const PushOutcome pushed,
             raced ? push(repository, remote, request, stop) : std::move(first));
  if (!pushed.server_text.empty()) {
    context.log->write(LogLevel::kInfo, record.revision + ": server: " + pushed.server_text);
  }
  return commit;
}

// A Hub answers reads from replicas, so a moment of "not there yet" is normal and retried.
Status confirm(const GitId& commit, const Target& target, const JobContext& context,
               const std::stop_token& stop) {
  if (target.provider != Provider::kHub) return {};  // the push's own report is all there is
  const Connection& connection = *context.connection;
  RetryContext once = connection.retry();
  once.policy.max_retries = 0;  // the loop below is the one that repeats
  const HubConnection hub{&connection.http(), once, target.endpoint, target.token};
  return with_retry(connection.retry(), stop, [&]() -> Status {
    HUBREV_TRY(const std::optional<GitId> found,
               resolve_revision(hub, target.repo_id, target.revision, stop));
    if (found == commit) return {};
    return make_error(ErrorKind::kServer, "the push was accepted, but revision '" +
                                              target.revision + "' " +
                                              (found ? "is at " + found->hex() : "is not there") +
                                              ", not at " + commit.hex());
  });
}

}  // namespace

Status run_job(JobRecord& record, const JobContext& context, Progress& progress,
               const std::stop_token& stop) {
  const auto started = context.clock->now();
  record.attempts += 1;
  record.error.reset();
  HUBREV_CHECK(enter(JobState::kFixing, record, context));
  HUBREV_TRY(const Settings settings, parse_settings(record.settings));
  HUBREV_TRY(const Snapshot snapshot,
             open_snapshot(context.spool->files_directory(record.id), record.frozen));
  HUBREV_CHECK(verify_unchanged(snapshot));
  HUBREV_CHECK(check_weights(snapshot));
  HUBREV_TRY(const Target target, context.connection->prepare(settings, record.revision, stop));
  record.repo_id = target.repo_id;
  HUBREV_TRY(const CommitPlan plan,
             fix_and_plan(snapshot, record, settings, target, context, stop));
  count_bytes(plan, record, progress);

  HUBREV_CHECK(enter(JobState::kUploading, record, context));
  const LfsServer server{lfs_url(target), lfs_credential(target), "refs/heads/" + target.revision,
                         target.endpoint};
  const UploadContext upload{&context.connection->http(), context.connection->retry(),
                             context.files, &progress, [&] { return verify_unchanged(snapshot); }};
  HUBREV_TRY(const std::vector<LfsObject> objects,
             upload_files(plan.lfs_files, server, upload, stop));
  HUBREV_CHECK(verify_unchanged(snapshot));

  HUBREV_TRY(const GitId commit,
             commit_and_push(plan, objects, record, settings, target, context, stop));
  HUBREV_CHECK(enter(JobState::kConfirming, record, context));
  HUBREV_CHECK(confirm(commit, target, context, stop));

  record.bytes_sent = progress.bytes_sent;
  record.bytes_present = progress.bytes_present;
  record.push_seconds = std::chrono::duration<double>(context.clock->now() - started).count();
  HUBREV_CHECK(enter(JobState::kDone, record, context));
  // The revision is there, whatever becomes of the snapshot; the next start frees it again.
  if (const Status freed = context.spool->free_snapshot(record.id); !freed.ok()) {
    context.log->write(LogLevel::kWarning, record.revision + ": " + freed.error().message);
  }
  return {};
}

}  // namespace hubrev
