#include "plugin/worker/worker.h"

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <mutex>
#include <thread>
#include <utility>

#include "plugin/base/log.h"
#include "plugin/base/pool.h"
#include "plugin/pipeline/connection.h"
#include "plugin/pipeline/run_job.h"
#include "plugin/snapshot/freeze.h"
#include "plugin/spool/spool.h"
#include "plugin/worker/job_table.h"
#include "plugin/worker/transport.h"

namespace hubrev {
namespace {

// Enough that one stalled checkpoint does not hold up the next; file work has its own threads.
constexpr std::size_t kLanes = 2;
constexpr std::chrono::milliseconds kWatchInterval{500};
// A trainer's card is a page of text; what is larger is not one.
constexpr std::uint64_t kLargestCard = 1u << 20;

std::string absolute(const std::string& path) {
  std::error_code code;
  const auto full = std::filesystem::absolute(path, code);
  return code ? path : full.lexically_normal().string();
}

}  // namespace

// Members are destroyed from the bottom up: threads before what they use.
struct Worker::Impl {
  Settings settings;
  nlohmann::json effective;  // every key; stored with each job
  std::string output_dir;
  pid_t creator = ::getpid();
  Log log;
  Spool spool;
  std::unique_ptr<HttpClient> http;
  Connection connection;
  JobTable jobs;
  std::mutex submit_mutex;             // one submit at a time: superseding looks at what is pending
  mutable std::mutex preflight_mutex;  // guards preflight_outcome
  std::optional<Status> preflight_outcome;
  std::atomic<bool> refusing{false};  // no more submits
  std::atomic<bool> stopping{false};  // no more runs
  std::stop_source stop;              // of preflight and the watcher
  ThreadPool files;
  ThreadPool lanes;
  std::jthread watcher;

  Impl(Settings s, nlohmann::json all, std::string directory, Spool sp, Secret token)
      : settings(std::move(s)),
        effective(std::move(all)),
        output_dir(std::move(directory)),
        spool(std::move(sp)),
        http(make_http(settings)),
        connection(*http, make_retry(settings, &log), std::move(token)),
        files(settings.concurrency, settings.priority),
        lanes(kLanes, settings.priority) {}

  void take_up(SpoolContents contents, const std::string& endpoint_override);
  void pump();
  void run_next();
  void settle(JobRecord record, const Status& outcome);
  void end_without_running(const std::vector<JobRecord>& ended);
  void watch(const std::stop_token& token);
  Result<JobRecord> describe(const Submission& submission);
  Status freeze(const Submission& submission, JobRecord& record);
  void remember_failure(JobRecord record, const Error& error);
};

void Worker::Impl::take_up(SpoolContents contents, const std::string& endpoint_override) {
  for (const std::string& problem : contents.problems) log.write(LogLevel::kError, problem);
  for (JobRecord& record : contents.records) {
    std::error_code ignored;
    const bool frozen = std::filesystem::exists(spool.files_directory(record.id), ignored);
    const bool unfinished = !is_final(record.state) || record.state == JobState::kFailed;
    if (unfinished && frozen) {
      record.state = JobState::kQueued;
      if (!endpoint_override.empty()) record.settings["endpoint"] = endpoint_override;
      log.write(LogLevel::kInfo, record.revision + ": taken up again");
    } else if (frozen) {
      (void)spool.free_snapshot(record.id);  // killed between the final record and the clean-up
    }
    jobs.add(std::move(record));
  }
}

// One lane task per queued job is enough: a task that finds nothing to take just returns.
void Worker::Impl::pump() {
  if (settings.offline || stopping) return;
  lanes.post([this] { run_next(); });
}

void Worker::Impl::run_next() {
  if (stopping) return;
  std::optional<RunningJob> job = jobs.take();
  if (!job) return;
  JobContext context{&spool, &connection,
                     &files, &system_clock(),
                     &log,   [this](const JobRecord& record) { jobs.update(record); }};
  Status outcome;
  try {
    outcome = run_job(job->record, context, *job->progress, job->stop);
  } catch (const std::exception& e) {
    outcome = make_error(ErrorKind::kInternal, std::string("unexpected exception: ") + e.what());
  }
  job->record.bytes_sent = job->progress->bytes_sent;
  job->record.bytes_present = job->progress->bytes_present;
  settle(std::move(job->record), outcome);
  pump();  // what waited for this branch, or came while both lanes were busy
}

// What becomes of a job after its run.
void Worker::Impl::settle(JobRecord record, const Status& outcome) {
  const StopReason reason = jobs.stop_reason(record.id);
  record.updated_ms = system_clock().unix_ms();
  if (outcome.ok()) {
    record.state = JobState::kDone;
    jobs.finish(std::move(record));
    // The server is there: what failed for want of it has a new chance.
    jobs.requeue_transient_failures();
    return;
  }
  if (outcome.error().kind == ErrorKind::kCancelled && reason != StopReason::kNone) {
    record.state = reason == StopReason::kCancelled    ? JobState::kCancelled
                   : reason == StopReason::kSuperseded ? JobState::kSuperseded
                                                       : JobState::kQueued;
  } else {
    record.state = JobState::kFailed;
    record.error = outcome.error();
    record.error->message = log.redacted(record.error->message);
    log.write(LogLevel::kError, record.revision + ": " + record.error->message);
  }
  if (const Status saved = spool.save(record); !saved.ok()) {
    log.write(LogLevel::kError, record.revision + ": " + saved.error().message);
  }
  if (record.state == JobState::kCancelled || record.state == JobState::kSuperseded) {
    (void)spool.free_snapshot(record.id);
  }
  jobs.finish(std::move(record));
}

void Worker::Impl::end_without_running(const std::vector<JobRecord>& ended) {
  for (const JobRecord& record : ended) {
    log.write(LogLevel::kInfo, record.revision + ": " + std::string(to_string(record.state)));
    (void)spool.save(record);
    (void)spool.free_snapshot(record.id);
  }
}

void Worker::Impl::watch(const std::stop_token& token) {
  while (system_clock().sleep_for(kWatchInterval, token).ok()) {
    for (const std::string& id : jobs.pending_ids()) {
      if (cancel_requested(spool.root(), id)) {
        end_without_running(jobs.stop_one(id, StopReason::kCancelled));
      }
    }
  }
}

Result<JobRecord> Worker::Impl::describe(const Submission& submission) {
  JobRecord record;
  record.revision = submission.revision;
  record.directory = absolute(submission.directory);
  record.step = submission.step;
  record.epoch = submission.epoch;
  record.metrics = submission.metrics;
  record.eos_token_id = submission.eos_token_id;
  record.created_ms = system_clock().unix_ms();
  record.updated_ms = record.created_ms;
  record.settings = effective;
  if (!record.revision.empty()) {
    HUBREV_CHECK(check_revision_name(record.revision));
    return record;
  }
  if (!submission.step) {
    return make_error(ErrorKind::kConfig,
                      record.directory + ": no revision name and no step to make one from");
  }
  RevisionFields fields{settings.revision, *submission.step, submission.epoch, submission.run};
  HUBREV_TRY(record.revision, render_revision(settings, fields));
  const auto other = jobs.step_of(JobTable::branch_key(record));
  if (other && *other != *submission.step) {
    return make_error(ErrorKind::kConfig,
                      "'revision_template' names step " + std::to_string(*submission.step) + " '" +
                          record.revision + "', as it did step " + std::to_string(*other) +
                          "; separate its placeholders");
  }
  return record;
}

Status Worker::Impl::freeze(const Submission& submission, JobRecord& record) {
  const auto started = system_clock().now();
  HUBREV_CHECK(spool.begin(record.id));
  const std::string staging = spool.staging_directory(record.id);
  HUBREV_TRY(FreezeOutcome frozen, freeze_checkpoint({absolute(submission.directory),
                                                      staging + "/files", settings.contents}));
  record.frozen = std::move(frozen.frozen);
  record.excluded = std::move(frozen.excluded);
  // TRL writes its card into output_dir just before each save; it may be rewritten any time later.
  if (auto card = read_file(output_dir + "/README.md", kLargestCard); card.ok()) {
    HUBREV_CHECK(write_file_atomic(staging + "/card.md", *card, Durability::kRename));
  }
  record.freeze_ms =
      std::chrono::duration<double, std::milli>(system_clock().now() - started).count();
  return spool.publish(record);
}

// A checkpoint that could not be frozen is not forgotten: its record says why.
void Worker::Impl::remember_failure(JobRecord record, const Error& error) {
  spool.abandon(record.id);
  record.frozen.clear();
  record.excluded.clear();
  record.state = JobState::kFailed;
  record.error = error;
  if (spool.begin(record.id).ok() && spool.publish(record).ok()) jobs.add(std::move(record));
}

Worker::Worker(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Worker::~Worker() {
  if (in_fork_child()) {
    (void)impl_.release();
    return;
  }
  close(std::chrono::milliseconds(0));
}

bool Worker::in_fork_child() const {
  return ::getpid() != impl_->creator;
}

Result<std::unique_ptr<Worker>> Worker::create(WorkerOptions options) {
  HUBREV_TRY(Settings settings, parse_settings(options.settings));
  nlohmann::json effective = default_settings();
  effective.update(options.settings);
  const std::string output_dir = absolute(options.output_dir);
  const std::string root =
      settings.spool_dir.empty() ? output_dir + "/_hub_revisions" : absolute(settings.spool_dir);
  HUBREV_TRY(Spool spool, Spool::open(root));
  HUBREV_TRY(SpoolContents contents, read_spool(root));
  auto impl = std::make_unique<Impl>(std::move(settings), std::move(effective), output_dir,
                                     std::move(spool), options.token);
  impl->log.redact(options.token);
  HUBREV_CHECK(impl->log.open(root + "/worker.log"));
  impl->take_up(std::move(contents), options.endpoint_override);
  for (std::size_t lane = 0; lane < kLanes; ++lane) impl->pump();
  impl->watcher =
      std::jthread([raw = impl.get()](const std::stop_token& token) { raw->watch(token); });
  return std::unique_ptr<Worker>(new Worker(std::move(impl)));
}

void Worker::preflight() {
  if (in_fork_child() || impl_->settings.offline) return;
  impl_->lanes.post([impl = impl_.get()] {
    Status outcome;
    if (auto target = impl->connection.prepare(impl->settings, "", impl->stop.get_token());
        !target.ok()) {
      outcome = std::move(target).error();
      outcome.error().message = impl->log.redacted(outcome.error().message);
      impl->log.write(LogLevel::kError, "preflight: " + outcome.error().message);
    }
    const std::lock_guard lock(impl->preflight_mutex);
    impl->preflight_outcome = std::move(outcome);
  });
}

std::optional<Status> Worker::preflight_result() const {
  if (in_fork_child()) return std::nullopt;
  const std::lock_guard lock(impl_->preflight_mutex);
  return impl_->preflight_outcome;
}

Result<std::string> Worker::submit(const Submission& submission) {
  if (in_fork_child()) {
    return make_error(ErrorKind::kInternal, "this worker belongs to the parent process of a fork");
  }
  const std::lock_guard lock(impl_->submit_mutex);
  if (impl_->refusing) return make_error(ErrorKind::kConfig, "the worker is closed");
  HUBREV_TRY(JobRecord record, impl_->describe(submission));
  record.id = impl_->spool.new_job_id();
  if (const Status frozen = impl_->freeze(submission, record); !frozen.ok()) {
    impl_->remember_failure(std::move(record), frozen.error());
    return frozen.error();
  }
  impl_->end_without_running(impl_->jobs.supersede(JobTable::branch_key(record)));
  std::string id = record.id;
  impl_->jobs.add(std::move(record));
  impl_->pump();
  return id;
}

nlohmann::json Worker::status() const {
  nlohmann::json all = nlohmann::json::array();
  if (in_fork_child()) return all;
  for (const JobTable::View& view : impl_->jobs.views()) {
    nlohmann::json record = to_json(view.record);
    record.erase("frozen");
    record.erase("settings");
    record["progress"] = {{"bytes_total", view.progress->bytes_total.load()},
                          {"bytes_hashed", view.progress->bytes_hashed.load()},
                          {"bytes_sent", view.progress->bytes_sent.load()},
                          {"bytes_present", view.progress->bytes_present.load()}};
    all.push_back(std::move(record));
  }
  return all;
}

WaitOutcome Worker::wait(const std::string& job_id, std::chrono::milliseconds timeout) const {
  if (in_fork_child()) return WaitOutcome::kStands;
  if (!impl_->jobs.pending(job_id)) return WaitOutcome::kEnded;
  if (impl_->settings.offline || impl_->stopping) return WaitOutcome::kStands;
  const bool ended = impl_->jobs.wait(job_id, std::chrono::steady_clock::now() + timeout);
  return ended ? WaitOutcome::kEnded : WaitOutcome::kTimedOut;
}

bool Worker::cancel(const std::string& job_id) {
  if (in_fork_child() || !impl_->jobs.pending(job_id)) return false;
  impl_->end_without_running(job_id.empty() ? impl_->jobs.stop_all(StopReason::kCancelled)
                                            : impl_->jobs.stop_one(job_id, StopReason::kCancelled));
  return true;
}

bool Worker::close(std::chrono::milliseconds drain) {
  if (in_fork_child()) return false;
  {
    const std::lock_guard lock(impl_->submit_mutex);  // a submit in progress still gets in
    impl_->refusing = true;
  }
  if (drain.count() > 0) (void)wait("", drain);
  impl_->stopping = true;
  (void)impl_->jobs.stop_all(StopReason::kClosing);
  impl_->stop.request_stop();
  impl_->watcher.request_stop();
  if (impl_->watcher.joinable()) impl_->watcher.join();
  impl_->jobs.wait_until_idle();
  impl_->spool.release();
  return !impl_->jobs.pending("");
}

}  // namespace hubrev
