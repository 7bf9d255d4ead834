// The part of the engine that runs on the caller's thread when a checkpoint is handed over: the
// only work that training waits for.
#include <chrono>
#include <filesystem>
#include <utility>

#include "plugin/snapshot/freeze.h"
#include "plugin/worker/engine.h"

namespace hubrev {
namespace {

// A trainer's card is a page of text; what is larger is not one.
constexpr std::uint64_t kLargestCard = 1u << 20;

}  // namespace

Result<std::string> Engine::submit(const Submission& submission) {
  const std::lock_guard lock(submit_mutex_);
  if (refusing_) return make_error(ErrorKind::kConfig, "the worker is closed");
  JobRecord record;
  record.id = spool_.new_job_id();
  Status status = describe(submission, record);
  if (status.ok()) status = freeze(submission, record);
  if (!status.ok()) {
    remember_failure(std::move(record), status.error());
    return std::move(status).error();
  }
  clean_up_later(jobs_.supersede(record));
  std::string id = record.id;
  jobs_.add(std::move(record));
  pump();
  return id;
}

Status Engine::describe(const Submission& submission, JobRecord& record) const {
  record.revision = submission.revision;
  record.directory = submission.directory;
  record.step = submission.step;
  record.epoch = submission.epoch;
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
                              submission.run};
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

Status Engine::freeze(const Submission& submission, JobRecord& record) {
  const auto started = system_clock().now();
  HUBREV_CHECK(spool_.begin(record.id));
  const std::string staging = spool_.staging_directory(record.id);
  HUBREV_TRY(FreezeOutcome frozen,
             freeze_checkpoint({submission.directory, staging + "/files", settings_.contents}));
  record.frozen = std::move(frozen.frozen);
  record.excluded = std::move(frozen.excluded);
  // TRL writes its card into output_dir just before each save; it may be rewritten any time later.
  if (auto card = read_file(output_dir_ + "/README.md", kLargestCard); card.ok()) {
    HUBREV_CHECK(write_file_atomic(staging + "/card.md", *card, Durability::kRename));
  }
  record.freeze_ms =
      std::chrono::duration<double, std::milli>(system_clock().now() - started).count();
  return spool_.publish(record);
}

// A checkpoint that could not be frozen is not forgotten: its record says why.
void Engine::remember_failure(JobRecord record, const Error& error) {
  log_.write(LogLevel::kError, record.directory + ": " + error.message);
  spool_.abandon(record.id);
  record.frozen.clear();
  record.excluded.clear();
  record.state = JobState::kFailed;
  record.error = error;
  if (spool_.begin(record.id).ok() && spool_.publish(record).ok()) jobs_.add(std::move(record));
}

}  // namespace hubrev
