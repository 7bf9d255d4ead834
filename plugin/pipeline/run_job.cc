// The only file that knows every stage. It reads like the arrow in ARCHITECTURE.md.
#include "plugin/pipeline/run_job.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "plugin/base/meanwhile.h"
#include "plugin/base/sha256.h"
#include "plugin/fixes/apply_fixes.h"
#include "plugin/git/commit_writer.h"
#include "plugin/hub/hub_client.h"
#include "plugin/lfs/uploader.h"
#include "plugin/pipeline/message.h"
#include "plugin/pipeline/place.h"
#include "plugin/pipeline/plan.h"
#include "plugin/pipeline/remote_repository.h"
#include "plugin/pipeline/scratch.h"
#include "plugin/pipeline/withhold_tokens.h"
#include "plugin/safetensors/completeness.h"
#include "plugin/safetensors/virtual_shards.h"
#include "plugin/snapshot/open_snapshot.h"

namespace hubrev {
namespace {

constexpr const char* kAuthorName = "hub-revisions";
constexpr const char* kAuthorEmail = "hub-revisions@localhost";
constexpr const char* kCard = "README.md";
constexpr std::uint64_t kLargestCard = 2u << 20;  // a card of 1 MiB with our section added
constexpr int kMaxSuffix = 1000;
constexpr std::size_t kMostNamed = 20;  // of what was left out, in the commit message
constexpr std::uint64_t kLargestPutOnHub = 5ull << 30;

// Writes the record. A full disk does not keep a job from going on, since a push is what frees it,
// nor from having ended: until then the last record stands, and a retry finds at the server what
// was done since.
Status save(const JobRecord& record, const JobContext& context) {
  Status saved = context.spool->save(record);
  if (saved.ok() || saved.error().kind != ErrorKind::kNoSpace) return saved;
  context.log->write(LogLevel::kWarning, record.revision + ": " + saved.error().message);
  if (is_final(record.state) && context.spool->free_snapshot(record.id).ok()) {
    saved = context.spool->save(record);
    if (!saved.ok()) {
      context.log->write(LogLevel::kError, record.revision + ": " + saved.error().message);
    }
  }
  return {};
}

Status enter(JobState state, JobRecord& record, const JobContext& context) {
  record.state = state;
  record.updated_ms = context.clock->unix_ms();
  for (std::string& warning : record.warnings) warning = context.log->redacted(warning);
  HUBREV_CHECK(save(record, context));
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
  fix.page = revision_url(target);
  if (target.provider != Provider::kHub) {
    fix.clone_url = repository_url(target);
    if (fix.repo_id.ends_with(".git")) fix.repo_id.resize(fix.repo_id.size() - 4);
  }
  fix.step = record.step;
  fix.epoch = record.epoch;
  fix.tokens = record.tokens;
  fix.metrics = record.metrics;
  fix.tags = settings.tags;
  fix.datasets = settings.datasets;
  fix.base_model = settings.base_model;
  fix.license = settings.license;
  fix.system_prompt = settings.system_prompt;
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
  const std::size_t named = std::min(record.excluded.size(), kMostNamed);
  for (std::size_t i = 0; i < named; ++i) report.detail += " " + record.excluded[i];
  if (const std::size_t more = record.excluded.size() - named; more > 0) {
    report.detail += " and " + std::to_string(more) + " more";
  }
  if (record.excluded.empty()) report.detail = "nothing to leave out";
  return report;
}

void take_reports(JobRecord& record, std::vector<FixReport> reports,
                  std::vector<std::string> warnings) {
  for (FixReport& report : reports) record.fixes.push_back(std::move(report));
  for (std::string& warning : warnings) record.warnings.push_back(std::move(warning));
}

// The connection's way to retry, which also tells the job's progress.
RetryContext noting_retry(const JobContext& context, Progress& progress) {
  RetryContext retry = context.connection->retry();
  retry.on_retry = [log = context.log, tell = retry.on_retry, &progress](const Error& error,
                                                                         auto delay) {
    progress.note_retry(log->redacted(error.message));
    if (tell) tell(error, delay);
  };
  return retry;
}

template <typename Blobs>
auto find_card(Blobs& blobs) {
  return std::find_if(blobs.begin(), blobs.end(),
                      [](const GitBlob& blob) { return blob.path == kCard; });
}

// What the server has against the card, "" when nothing, when git does not store one, or when it is
// to be left as it is. The server has the last word on metadata, and says it as a refusal of the
// whole push; a card must not cost the weights.
Result<std::string> objection_to_card(const CommitPlan& plan, const Settings& settings,
                                      const Target& target, const Remote& remote,
                                      const std::stop_token& stop) {
  const auto card = find_card(plan.blobs);
  const bool judged = target.provider == Provider::kHub && settings.card == CardPolicy::kComplete;
  if (!judged || card == plan.blobs.end()) return std::string();
  const HubConnection hub{remote.http, remote.retry, target.endpoint, target.token};
  const auto warnings = validate_card(hub, card->bytes, stop);
  if (warnings.ok()) return std::string();
  if (warnings.error().kind != ErrorKind::kRejected) return warnings.error();
  return warnings.error().message;
}

// Everything about a revision that is decided before its weights are read.
struct PlannedRevision {
  Snapshot snapshot;  // fixed, its weights in shards
  FixContext fix;     // by which it was fixed
  CommitPlan plan;
  std::optional<PublishedWeights> before;  // what the shards were laid out by
  std::vector<PlacedShard> placed;
};

std::optional<PublishedWeights> weights_before(const Snapshot& snapshot, const JobRecord& record,
                                               const Settings& settings,
                                               const JobContext& context) {
  const bool matters = settings.frozen_tensors == FrozenTensors::kShare &&
                       std::any_of(snapshot.entries.begin(), snapshot.entries.end(),
                                   [](const Entry& entry) { return may_keep_apart(entry); });
  if (!matters) return std::nullopt;
  return context.weights->take(record.id);
}

// What to do about weights that nobody can load; nullopt when they can be loaded.
std::optional<std::string> advice_on_shards(const Snapshot& snapshot, const JobRecord& record) {
  const std::optional<ShardedWeights> shards = sharded_weights_only(snapshot, record.excluded);
  if (!shards) return std::nullopt;
  const std::string& folder = record.directory;
  const bool fsdp = shards->engine == ShardedBy::kFsdp;
  const std::string merge =
      fsdp ? "accelerate merge-weights " + folder + "/" + shards->folder + " DIR"
           : "python " + folder + "/zero_to_fp32.py " + folder + " DIR --safe_serialization";
  return std::string("its weights are ") + (fsdp ? "FSDP's" : "DeepSpeed ZeRO-3's") +
         " shards, not loadable unless merged; run '" + merge +
         "', put configuration and tokenizer into DIR and publish that with 'hub-revisions push', "
         "or train with " +
         (fsdp
              ? "\"state_dict_type\": \"FULL_STATE_DICT\" in fsdp_config"
              : "\"stage3_gather_16bit_weights_on_model_save\": true in DeepSpeed's configuration");
}

Result<PlannedRevision> fix_and_plan(Snapshot snapshot, JobRecord& record, const Settings& settings,
                                     const Target& target, const JobContext& context,
                                     const std::stop_token& stop) {
  record.fixes = {contents_report(record)};
  record.warnings.clear();
  // Whoever resumes from it shards in the same way; others are warned.
  if (auto advice = advice_on_shards(snapshot, record)) record.warnings.push_back(*advice);
  PlannedRevision planned;
  planned.fix = fix_context(record, settings, target, context);
  HUBREV_TRY(FixedSnapshot fixed, apply_fixes(std::move(snapshot), planned.fix));
  take_reports(record, std::move(fixed.reports), std::move(fixed.warnings));
  HUBREV_CHECK(withhold_tokens(fixed.snapshot, record, settings, *context.connection, stop));
  planned.before = weights_before(fixed.snapshot, record, settings, context);
  const ShardRules rules{settings.max_shard_size, kMinBytesApart,
                         planned.before ? &*planned.before : nullptr};
  HUBREV_TRY(ShardedSnapshot sharded, apply_virtual_shards(std::move(fixed.snapshot), rules));
  take_reports(record, std::move(sharded.reports), std::move(sharded.warnings));
  for (const std::string& warning : record.warnings) {
    context.log->write(LogLevel::kWarning, record.revision + ": " + warning);
  }
  planned.snapshot = std::move(sharded.snapshot);
  HUBREV_TRY(planned.plan, make_plan(planned.snapshot));
  planned.placed = std::move(sharded.placed);
  want_digests(planned.plan.lfs_files, planned.placed);
  return planned;
}

// Only what the checkpoint's files and the record say is left in it, so nothing is left to object
// to. Those files were searched for tokens.
Status use_minimal_card(const std::string& objection, PlannedRevision& planned, JobRecord& record,
                        const JobContext& context) {
  record.warnings.push_back("README.md was replaced by a minimal card: " + objection);
  context.log->write(LogLevel::kWarning, record.revision + ": " + record.warnings.back());
  HUBREV_TRY(const Entry minimal, minimal_card(planned.snapshot, planned.fix));
  HUBREV_TRY(find_card(planned.plan.blobs)->bytes, minimal.source.read_all(kLargestCard));
  return {};
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

struct WrittenCommit {
  ScratchRepository scratch;
  GitId id;
};

Result<WrittenCommit> write_commit_in(Result<ScratchRepository> scratch,
                                      const CommitContent& content) {
  if (!scratch.ok()) return std::move(scratch).error();
  HUBREV_TRY(const GitId id, write_root_commit(scratch->repository(), content));
  return WrittenCommit{std::move(scratch).value(), id};
}

// Beside the snapshot; where that disk is full, in the temporary folder.
Result<WrittenCommit> write_commit(const CommitContent& content, const std::string& folder) {
  auto beside = write_commit_in(ScratchRepository::create_at(folder), content);
  const bool local = !beside.ok() && (beside.error().kind == ErrorKind::kIo ||
                                      beside.error().kind == ErrorKind::kNoSpace);
  if (!local) return beside;
  auto elsewhere = write_commit_in(ScratchRepository::create(), content);
  return elsewhere.ok() ? std::move(elsewhere) : std::move(beside);
}

// `request` lacks the commit yet.
Result<GitId> commit_and_push(CommitPlan plan, const std::vector<LfsObject>& objects,
                              PlaceRequest request, const Remote& remote, JobRecord& record,
                              const JobContext& context, const std::stop_token& stop) {
  const Signature signature{kAuthorName, kAuthorEmail, record.created_ms / 1000};
  std::string message = revision_message(record, digest_of(plan, objects));
  const CommitContent content =
      make_commit_content(std::move(plan), objects, std::move(message), signature);
  HUBREV_TRY(WrittenCommit written,
             write_commit(content, context.spool->work_directory(record.id)));
  record.commit = written.id.hex();
  HUBREV_CHECK(enter(JobState::kPushing, record, context));
  request.commit = written.id;
  request.own = context.own_commits(record);
  HUBREV_TRY(const Placement placed,
             place_commit(written.scratch.repository(), remote, std::move(request), stop));
  record.commit = placed.commit.hex();
  if (!placed.server_text.empty()) {
    context.log->write(LogLevel::kInfo, record.revision + ": server: " + placed.server_text);
  }
  return placed.commit;
}

// A Hub answers reads from replicas, so a moment of "not there yet" is normal and retried.
Status confirm(const GitId& commit, const Target& target, const JobContext& context,
               Progress& progress, const std::stop_token& stop) {
  if (target.provider != Provider::kHub) return {};  // the push's own report is all there is
  const Connection& connection = *context.connection;
  RetryContext once = connection.retry();
  once.policy.max_retries = 0;  // the loop below is the one that repeats
  const HubConnection hub{&connection.http(), once, target.endpoint, target.token};
  return with_retry(noting_retry(context, progress), stop, [&]() -> Status {
    HUBREV_TRY(const std::optional<GitId> found,
               resolve_revision(hub, target.repo_id, target.revision, stop));
    if (found == commit) return {};
    return make_error(ErrorKind::kServer, "the push was accepted, but revision '" +
                                              target.revision + "' " +
                                              (found ? "is at " + found->hex() : "is not there") +
                                              ", not at " + commit.hex());
  });
}

// A Hub's store is S3, which takes 5 GiB in one PUT; others have their own limits, or none.
std::optional<std::uint64_t> max_put_size(const Settings& settings, const Target& target) {
  if (settings.max_put_size || target.provider != Provider::kHub) return settings.max_put_size;
  return kLargestPutOnHub;
}

AgentContext agent_context(const JobRecord& record, const Settings& settings, const Target& target,
                           const JobContext& context) {
  return {settings.transfer_agents, repository_url(target),
          context.spool->objects_directory(record.id), *context.environment,
          [log = context.log, revision = record.revision](const std::string& line) {
            log->write(LogLevel::kInfo, revision + ": " + line);
          }};
}

// From the frozen files to a confirmed revision under the record's name.
Status publish(const Snapshot& snapshot, JobRecord& record, const Settings& settings,
               const JobContext& context, Progress& progress, const std::stop_token& stop) {
  HUBREV_TRY(const Target target,
             context.connection->prepare(settings, record.revision, noting_retry(context, progress),
                                         stop));
  record.repo_id = target.repo_id;
  HUBREV_TRY(PlannedRevision planned,
             fix_and_plan(snapshot, record, settings, target, context, stop));
  CommitPlan& plan = planned.plan;
  count_bytes(plan, record, progress);

  HUBREV_CHECK(enter(JobState::kUploading, record, context));
  const std::string ref = branch_ref(target.revision);
  const LfsServer server{lfs_server_url(target), lfs_credential(target), ref, target.endpoint};
  const Remote remote{repository_url(target), git_credential(target), &context.connection->http(),
                      noting_retry(context, progress)};
  // Needed for the commit only, so they cost no round trip of their own. Hours may lie in between:
  // what cannot be learnt now is asked again there.
  Meanwhile<std::string> advertisement(
      stop, [&](const std::stop_token& s) { return advertise(remote, ref, s); });
  Meanwhile<std::string> objection(stop, [&](const std::stop_token& s) {
    return objection_to_card(plan, settings, target, remote, s);
  });
  progress.upload_began_ms = context.clock->unix_ms();
  const UploadContext upload{&context.connection->http(),
                             noting_retry(context, progress),
                             context.files,
                             max_put_size(settings, target),
                             &progress,
                             &context.connection->in_flight(),
                             [&] { return verify_unchanged(snapshot); },
                             agent_context(record, settings, target, context)};
  Result<std::vector<LfsObject>> uploaded = upload_files(plan.lfs_files, server, upload, stop);
  // Asked first: a store refuses bytes that were rewritten after they were hashed in words that do
  // not say why.
  HUBREV_CHECK(verify_unchanged(snapshot));
  HUBREV_TRY(const std::vector<LfsObject> objects, std::move(uploaded));

  Result<std::string> judged = objection.answer();
  if (!judged.ok()) judged = objection_to_card(plan, settings, target, remote, stop);
  HUBREV_TRY(const std::string refused_card, std::move(judged));
  if (!refused_card.empty()) {
    HUBREV_CHECK(use_minimal_card(refused_card, planned, record, context));
  }
  PlaceRequest request{{}, target.revision, settings.exists, {}, {}};
  Result<std::string> told = advertisement.answer();
  if (told.ok()) request.advertisement = *std::move(told);
  HUBREV_TRY(const GitId commit, commit_and_push(std::move(plan), objects, std::move(request),
                                                 remote, record, context, stop));
  HUBREV_CHECK(enter(JobState::kConfirming, record, context));
  HUBREV_CHECK(confirm(commit, target, context, progress, stop));
  if (planned.before) {
    context.weights->remember(
        published(*planned.before, record.id, record.revision, planned.placed, objects));
  }
  return {};
}

// The revision is there, whatever becomes of the snapshot; the next start frees it again.
Status finish(JobRecord& record, const JobContext& context) {
  HUBREV_CHECK(enter(JobState::kDone, record, context));
  if (const Status freed = context.spool->free_snapshot(record.id); !freed.ok()) {
    context.log->write(LogLevel::kWarning, record.revision + ": " + freed.error().message);
  }
  return {};
}

// "step-10", "step-10-2", "step-10-3" ...
void take_next_name(JobRecord& record) {
  const std::string old = record.suffix == 0 ? "" : "-" + std::to_string(record.suffix);
  record.revision.resize(record.revision.size() - old.size());
  record.suffix = std::max(record.suffix, 1) + 1;
  record.revision += "-" + std::to_string(record.suffix);
}

}  // namespace

Status run_job(JobRecord& record, const JobContext& context, Progress& progress,
               const std::stop_token& stop) {
  const auto started = context.clock->now();
  record.attempts += 1;
  record.error.reset();
  HUBREV_CHECK(enter(JobState::kFixing, record, context));
  HUBREV_TRY(const Settings settings, parse_settings(record.settings->values));
  HUBREV_TRY(const Snapshot snapshot,
             open_snapshot(context.spool->files_directory(record.id), record.frozen));
  HUBREV_CHECK(verify_unchanged(snapshot));
  if (auto advice = advice_on_shards(snapshot, record);
      advice && settings.selection.contents == Contents::kInference) {
    return make_error(ErrorKind::kInvalidInput, *std::move(advice));
  }
  HUBREV_CHECK(check_weights(snapshot));
  Status published = publish(snapshot, record, settings, context, progress, stop);
  while (!published.ok() && published.error().kind == ErrorKind::kConflict &&
         settings.exists == ExistingRevision::kSuffix && record.suffix < kMaxSuffix) {
    take_next_name(record);
    progress.bytes_hashed = 0;
    progress.bytes_present = 0;
    HUBREV_CHECK(enter(JobState::kFixing, record, context));
    published = publish(snapshot, record, settings, context, progress, stop);
  }
  HUBREV_CHECK(published);

  record.bytes_sent = progress.bytes_sent;
  record.bytes_present = progress.bytes_present;
  record.push_seconds = std::chrono::duration<double>(context.clock->now() - started).count();
  return finish(record, context);
}

}  // namespace hubrev
