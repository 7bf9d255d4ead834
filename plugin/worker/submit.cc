// The part of the engine that runs on the caller's thread when a checkpoint is handed over: the
// only work that training waits for.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <utility>

#include "plugin/snapshot/fingerprint.h"
#include "plugin/snapshot/freeze.h"
#include "plugin/spool/budget.h"
#include "plugin/worker/engine.h"

namespace hubrev {
namespace {

// A trainer's card is a page of text; what is larger is not one.
constexpr std::uint64_t kLargestCard = 1u << 20;

// `seen` is "" where nobody asks.
Status check_unchanged(const std::string& checkpoint, const std::string& seen) {
  if (seen.empty()) return {};
  const auto now = fingerprint(checkpoint);
  if (now.ok() && *now == seen) return {};
  return make_error(ErrorKind::kConflict, checkpoint + " was changed or removed meanwhile");
}

}  // namespace

Result<std::string> Engine::submit(const Submission& submission) {
  const std::lock_guard lock(submit_mutex_);
  if (refusing_) return make_error(ErrorKind::kConfig, "the worker is closed");
  if (settings_.mode == Mode::kSync) {
    return make_error(ErrorKind::kConfig,
                      "with 'mode' \"sync\" nothing is submitted; set it to \"push\"");
  }
  JobRecord record;
  record.id = spool_.new_job_id();
  std::string id = record.id;
  Status status = describe(submission, record);
  if (status.ok()) status = freeze_with_room(record, submission.fingerprint);
  if (!status.ok()) {
    if (const Status same = check_unchanged(submission.directory, submission.fingerprint);
        !same.ok()) {
      return same.error();
    }
    const bool skipped = status.error().kind == ErrorKind::kNoSpace;
    remember(std::move(record), status.error());
    // A full disk is no reason to disturb training; the record tells.
    if (skipped) return id;
    return std::move(status).error();
  }
  clean_up_later(jobs_.supersede(record));
  sync_soon(id);
  jobs_.add(std::move(record));
  wake_lane();
  return id;
}

Status Engine::describe(const Submission& submission, JobRecord& record) const {
  record.revision = submission.revision;
  record.directory = submission.directory;
  record.from_spool =
      std::filesystem::path(submission.directory).lexically_relative(spool_.root()).string();
  record.saved_ns = saved_at(submission.directory);
  record.step = submission.step;
  record.epoch = submission.epoch;
  record.tokens = submission.tokens;
  record.metrics = submission.metrics;
  record.eos_token_id = submission.eos_token_id;
  record.created_ms = system_clock().unix_ms();
  record.updated_ms = record.created_ms;
  record.settings = effective_;
  if (!record.revision.empty()) return check_revision_name(record.revision);
  if (!submission.step) {
    return make_error(ErrorKind::kConfig,
                      record.directory + ": no revision name and no step to make one from");
  }
  const RevisionFields fields{settings_.revision, *submission.step, submission.epoch,
                              submission.tokens, submission.run};
  HUBREV_TRY(record.revision, render_revision(settings_, fields));
  const auto other = jobs_.step_of(JobTable::branch_key(record));
  if (other && *other != *submission.step) {
    return make_error(ErrorKind::kConfig,
                      "'revision_template' names step " + std::to_string(*submission.step) + " '" +
                          record.revision + "', as it did step " + std::to_string(*other) +
                          "; separate its placeholders");
  }
  return {};
}

SpoolUse Engine::use() const {
  SpoolUse use;
  if (settings_.max_pending) use.pending = jobs_.pending_count();
  if (settings_.max_spool_bytes) use.snapshots = jobs_.snapshots();
  return use;
}

// How many bytes may be copied. kNoSpace when a limit is reached.
Result<std::uint64_t> Engine::room() const {
  return find_room(settings_, spool_, use());
}

Status Engine::freeze_with_room(JobRecord& record, const std::string& fingerprint) {
  for (;;) {
    auto room_left = room();
    Status status =
        room_left.ok() ? freeze(record, fingerprint, *room_left) : Status(room_left.error());
    if (status.ok() || status.error().kind != ErrorKind::kNoSpace) return status;
    if (settings_.when_full != WhenFull::kDropOldest &&
        settings_.when_full != WhenFull::kNewestOnly) {
      return status;
    }
    // Nothing goes for a checkpoint that would be refused.
    HUBREV_CHECK(check_unchanged(record.directory, fingerprint));
    HUBREV_TRY(const std::uint64_t wanted,
               bytes_to_copy(record.directory, settings_.selection, spool_.root()));
    if (!give_way(record, wanted)) return status;
  }
}

// Makes room for the record's checkpoint, of which so many bytes are copied, by the setting
// 'when_full'; false when there is nothing that it lets go, or when all of that would not do: most
// snapshots are links to checkpoints that are still there. Blocks for the disk: its user prefers
// the newest checkpoint to a short stop.
bool Engine::give_way(const JobRecord& record, std::uint64_t wanted) {
  if (settings_.mode == Mode::kSpool) refresh();  // what is being pushed by now does not wait
  const bool all = settings_.when_full == WhenFull::kNewestOnly;
  const bool by_count = settings_.max_pending && jobs_.pending_count() >= *settings_.max_pending;
  const std::uint64_t missing = missing_bytes(settings_, spool_, use(), wanted);
  std::uint64_t freed = 0;  // by the end of all that may go
  std::uint64_t freed_by_chosen = 0;
  std::vector<std::string> chosen;
  std::vector<JobRecord> waiting = jobs_.waiting();
  // First what this checkpoint replaces anyway.
  const std::string branch = JobTable::branch_key(record);
  std::stable_partition(waiting.begin(), waiting.end(),
                        [&](const JobRecord& job) { return JobTable::branch_key(job) == branch; });
  for (const JobRecord& job : waiting) {
    const bool has_place = by_count && job.state != JobState::kFailed;
    const std::uint64_t bytes = has_place ? held_bytes(spool_, job) : freed_by_its_end(spool_, job);
    freed += bytes;
    const bool enough = !all && !chosen.empty() && (by_count || freed_by_chosen >= missing);
    if (enough || (by_count ? !has_place : bytes == 0)) continue;
    chosen.push_back(job.id);
    freed_by_chosen += bytes;
  }
  if (freed < missing) return false;
  std::vector<JobRecord> dropped;
  for (const std::string& id : chosen) {
    auto gone = jobs_.drop(id);
    if (!gone) continue;
    gone->error = make_error(ErrorKind::kNoSpace, "dropped to make room for a newer checkpoint");
    dropped.push_back(*std::move(gone));
  }
  const bool any = !dropped.empty();
  const bool here = clean_up(std::move(dropped));  // else who pushes does it, some time
  return any && (by_count || here);
}

bool Engine::wait_for_room(std::chrono::milliseconds timeout) const {
  if (settings_.when_full != WhenFull::kWait || settings_.mode == Mode::kSpool) return true;
  if (room().ok() || !jobs_.pending("")) return true;
  (void)jobs_.wait_for_outcomes(jobs_.outcomes(), std::chrono::steady_clock::now() + timeout);
  return room().ok() || !jobs_.pending("");
}

Status Engine::freeze(JobRecord& record, const std::string& fingerprint,
                      std::uint64_t max_copied_bytes) {
  const auto started = system_clock().now();
  HUBREV_TRY(Spool::Begun begun, spool_.begin_snapshot());
  HUBREV_CHECK(freeze_into(
      {record.directory, begun.folder() + "/files", settings_.selection, max_copied_bytes},
      begun.folder() + "/card.md", record));
  HUBREV_CHECK(check_unchanged(record.directory, fingerprint));
  record.freeze_ms =
      std::chrono::duration<double, std::milli>(system_clock().now() - started).count();
  return std::move(begun).publish(record);
}

// Freezes the record's checkpoint, and the trainer's card into `card`.
Status Engine::freeze_into(const FreezeRequest& request, const std::string& card,
                           JobRecord& record) const {
  HUBREV_TRY(FreezeOutcome frozen, freeze_checkpoint(request));
  record.frozen = std::move(frozen.frozen);
  record.excluded = std::move(frozen.excluded);
  // TRL writes its card into output_dir just before each save; it may be rewritten any time later.
  auto text = read_file(output_dir_ + "/README.md", kLargestCard);
  return text.ok() ? write_file_atomic(card, *text, Durability::kRename) : Status();
}

// Makes a job of a record without a snapshot.
Status Engine::store(const JobRecord& record) {
  HUBREV_TRY(Spool::Begun begun, spool_.begin(record.id));
  return std::move(begun).publish(record);
}

// A checkpoint that could not be frozen is not forgotten: its record says why.
void Engine::remember(JobRecord record, const Error& error) {
  record.frozen.clear();
  record.excluded.clear();
  record.error = error;
  record.state = JobState::kFailed;
  if (error.kind == ErrorKind::kNoSpace) {
    record.state = JobState::kSkipped;
    record.skipped_folder = folder_stamp(record.directory);
  }
  log_.write(LogLevel::kError,
             record.directory + ": " + std::string(to_string(record.state)) + ": " + error.message);
  if (store(record).ok()) {
    sync_soon(record.id);
  } else {
    const std::lock_guard later(later_mutex_);
    unstored_.insert(record.id);
  }
  jobs_.add(std::move(record));
}

}  // namespace hubrev
