#include "plugin/worker/engine.h"

#include <unistd.h>

#include <utility>

#include "plugin/pipeline/run_job.h"
#include "plugin/snapshot/open_snapshot.h"
#include "plugin/worker/transport.h"

namespace hubrev {
namespace {

// Enough that one stalled checkpoint does not hold up the next; file work has its own threads.
constexpr std::size_t kLanes = 2;
constexpr std::chrono::milliseconds kWatchInterval{500};
constexpr std::chrono::milliseconds kHeartbeat{1000};

// Where nearly all of the work is done.
ThreadPriority priority_of_files(ThreadPriority priority) {
  return priority == ThreadPriority::kLow ? ThreadPriority::kIdle : priority;
}

std::vector<std::string> process_environment() {
  std::vector<std::string> all;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    all.emplace_back(*entry);
  }
  return all;
}

bool pushes(const Settings& settings) {
  return settings.mode != Mode::kSpool;
}

}  // namespace

Engine::Engine(Settings settings, nlohmann::json effective, std::string output_dir, Spool spool,
               Secret token)
    : settings_(std::move(settings)),
      effective_(share_settings(std::move(effective))),
      output_dir_(std::move(output_dir)),
      environment_(process_environment()),
      spool_(std::move(spool)),
      http_(make_http(settings_, &log_)),
      connection_(*http_, make_retry(settings_, &log_), std::move(token)),
      weights_(spool_, log_),
      jobs_(settings_.max_pushes_per_hour),
      files_(pushes(settings_) ? settings_.concurrency : 0, priority_of_files(settings_.priority)),
      lanes_(pushes(settings_) ? kLanes : 0, settings_.priority) {
  // A server or proxy may echo either form of it.
  log_.redact(connection_.token());
  log_.redact(Secret(basic_value(settings_.username, connection_.token())));
}

Engine::~Engine() {
  close(std::chrono::milliseconds(0));
}

Status Engine::start(SpoolContents contents, const WorkerOptions& options) {
  HUBREV_CHECK(log_.open(spool_.root() + (pushes(settings_) ? "/worker.log" : "/spool.log")));
  // On its own: whatever else there is to do may wait for the disk longer than others have
  // patience.
  heart_ = std::jthread([this](const std::stop_token& token) { beat(token); });
  for (const std::string& problem : contents.problems) log_.write(LogLevel::kError, problem);
  endpoint_override_ = options.endpoint_override;
  // Who pushes writes to that memory; while somebody else does, what is frozen is sent once more.
  if (const auto right = spool_.borrow(SpoolRight::kPush); right && options.frozen_parameters) {
    weights_.set_frozen(*options.frozen_parameters);
  }
  if (pushes(settings_)) {
    take_up_all(std::move(contents.records));
  } else {
    remember_earlier(std::move(contents.records));
  }
  freeze_skipped();
  pump();
  if (settings_.mode != Mode::kSync) spool_.prepare();
  watcher_ = std::jthread([this](const std::stop_token& token) { watch(token); });
  return {};
}

void Engine::pump() {
  for (std::size_t lane = 0; lane < kLanes; ++lane) wake_lane();
}

void Engine::wake_lane() {
  if (pushes(settings_)) lanes_.post([this] { guarded([this] { run_next(); }); });
}

// One look at the queue. The end of a job is followed by another look, so that whatever waited for
// its branch, or for a free lane, gets its turn.
void Engine::run_next() {
  std::optional<RunningJob> job = jobs_.take(system_clock().unix_ms());
  if (!job) return;
  const Status outcome = run(*job);
  job->record.bytes_sent = job->progress->bytes_sent;
  job->record.bytes_present = job->progress->bytes_present;
  if (!guarded([&] { settle(job->record, outcome); })) {
    job->record.state = JobState::kFailed;
    job->record.error = make_error(ErrorKind::kInternal, "its end could not be recorded");
    jobs_.finish(std::move(job->record));  // or whoever waits for it would for ever
  }
  pump();
}

// The root of a lane: exceptions stop here.
Status Engine::run(RunningJob& job) {
  const JobContext context{&spool_,
                           &connection_,
                           &weights_,
                           &files_,
                           &system_clock(),
                           &log_,
                           &environment_,
                           [this](const JobRecord& record) { return jobs_.own_commits(record); },
                           [this](const JobRecord& record) { jobs_.update(record); }};
  try {
    return run_job(job.record, context, *job.progress, job.stop);
  } catch (const std::exception& e) {
    return make_error(ErrorKind::kInternal, std::string("unexpected exception: ") + e.what());
  } catch (...) {
    return make_error(ErrorKind::kInternal, "unexpected exception");
  }
}

// What becomes of a job after its run. A stop decides whatever error it surfaced as; only what was
// published in spite of it counts as done.
void Engine::settle(JobRecord record, const Status& outcome) {
  const StopReason reason = jobs_.stop_reason(record.id);
  record.updated_ms = system_clock().unix_ms();
  if (outcome.ok()) {
    record.state = JobState::kDone;
    if (!is_settled_on_disk(record.id)) {  // its push is what was to free the disk
      const std::lock_guard lock(later_mutex_);
      unsaved_.insert(record.id);
    }
  } else if (reason == StopReason::kCancelled || reason == StopReason::kSuperseded) {
    record.state = reason == StopReason::kCancelled ? JobState::kCancelled : JobState::kSuperseded;
    clean_up({record});
  } else if (reason == StopReason::kClosing && outcome.error().kind == ErrorKind::kCancelled) {
    record.state = JobState::kQueued;
    save(record);
  } else {
    record.state = JobState::kFailed;
    record.error = outcome.error();
    record.error->message = log_.redacted(record.error->message);
    log_.write(LogLevel::kError, record.revision + ": " + record.error->message);
    save(record);
    // Then it is of no use any more.
    if (record.error->kind == ErrorKind::kCorrupt &&
        was_overwritten(spool_.files_directory(record.id), record.frozen)) {
      (void)spool_.free_snapshot(record.id);
    }
  }
  // Whoever waits for all jobs waits for those that now find room, too.
  jobs_.update(record);
  guarded([this] { freeze_skipped(); });
  jobs_.finish(std::move(record));
}

bool Engine::save(const JobRecord& record) {
  const Status saved = spool_.save(record);
  if (!saved.ok()) log_.write(LogLevel::kError, record.revision + ": " + saved.error().message);
  return saved.ok();
}

// Records a job's end and frees its snapshot, or has it done by who pushes. Blocks for the disk.
bool Engine::clean_up(std::vector<JobRecord> ended) {
  if (ended.empty()) return true;
  const auto right = spool_.borrow(SpoolRight::kPush);
  for (JobRecord& record : ended) {
    if (!right) {
      (void)request_cancel(spool_.root(), record.id);
      continue;
    }
    if (!pushes(settings_) && is_settled_on_disk(record.id)) continue;
    record.updated_ms = system_clock().unix_ms();
    log_.write(LogLevel::kInfo, record.revision + ": " + std::string(to_string(record.state)));
    const bool saved = save(record);
    if (const Status freed = spool_.free_snapshot(record.id); !freed.ok()) {
      log_.write(LogLevel::kWarning, record.revision + ": " + freed.error().message);
    }
    if (!saved && !save(record)) {  // now that there may be room for it
      const std::lock_guard lock(later_mutex_);
      unsaved_.insert(record.id);
    }
  }
  return right.has_value();
}

// For the training thread: unlinking the last link of a large file takes long, and syncing too. A
// kill before it happens does no harm, since the next start knows a superseded job when it sees
// one.
void Engine::clean_up_later(std::vector<JobRecord> ended) {
  const std::lock_guard lock(later_mutex_);
  for (JobRecord& record : ended) ended_.push_back(std::move(record));
}

void Engine::clean_up_now() {
  std::vector<JobRecord> ended;
  {
    const std::lock_guard lock(later_mutex_);
    ended.swap(ended_);
  }
  clean_up(std::move(ended));
}

void Engine::beat(const std::stop_token& token) {
  do {
    spool_.beat();
  } while (system_clock().sleep_for(kHeartbeat, token).ok());
}

void Engine::watch(const std::stop_token& token) {
  set_thread_priority(settings_.priority);
  auto next_look = std::chrono::steady_clock::now();
  for (;;) {
    {
      std::unique_lock lock(later_mutex_);
      later_.wait_until(lock, token, next_look, [&] { return !unsynced_.empty(); });
    }
    if (token.stop_requested()) return;
    guarded([this] {
      if (settings_.mode != Mode::kSync) spool_.prepare();
      sync_new_jobs();
    });
    // The rest looks at every open job, which is no work for each submit.
    if (std::chrono::steady_clock::now() < next_look) continue;
    guarded([this] { look_around(); });
    next_look = std::chrono::steady_clock::now() + kWatchInterval;
  }
}

void Engine::look_around() {
  save_late();
  clean_up_now();
  if (!pushes(settings_)) refresh();
  freeze_skipped();
  if (pushes(settings_)) look_at_jobs();
}

void Engine::save_late() {
  std::set<std::string> ids;
  {
    const std::lock_guard lock(later_mutex_);
    ids = unsaved_;
  }
  for (const std::string& id : ids) {
    const auto view = jobs_.view(id);
    if (!view || !spool_.save(view->record).ok()) continue;
    const std::lock_guard lock(later_mutex_);
    unsaved_.erase(id);
  }
}

// For the roots of threads: an exception that got this far must not end the training.
bool Engine::guarded(const std::function<void()>& body) {
  try {
    body();
    return true;
  } catch (const std::exception& e) {
    log_.write(LogLevel::kError, std::string("unexpected exception: ") + e.what());
  } catch (...) {
    log_.write(LogLevel::kError, "unexpected exception");
  }
  return false;
}

void Engine::look_at_jobs() {
  keep_pace();
  show_progress();
  for (const std::string& id : jobs_.open_ids()) {
    if (cancel_requested(spool_.root(), id)) clean_up(jobs_.cancel(id));
  }
}

void Engine::sync_soon(const std::string& id) {
  {
    const std::lock_guard lock(later_mutex_);
    unsynced_.push_back(id);
  }
  later_.notify_one();
}

void Engine::sync_new_jobs() {
  std::vector<std::string> ids;
  {
    const std::lock_guard lock(later_mutex_);
    ids.swap(unsynced_);
  }
  for (const std::string& id : ids) {
    if (const Status synced = spool_.sync_job(id); !synced.ok()) {
      log_.write(LogLevel::kWarning, synced.error().message);
    }
  }
}

void Engine::show_progress() const {
  const std::int64_t now = system_clock().unix_ms();
  for (const JobTable::View& view : jobs_.running()) {
    spool_.show_progress(view.record.id, to_json(*view.progress, now));
  }
}

// Lets waiting jobs begin when the hour allows more of them.
void Engine::keep_pace() {
  const bool paced = jobs_.paced(system_clock().unix_ms());
  if (paced && !paced_) {
    log_.write(LogLevel::kWarning, std::to_string(*settings_.max_pushes_per_hour) +
                                       " revisions were pushed within an hour; the others wait, "
                                       "see 'max_pushes_per_hour'");
  }
  paced_ = paced;
  if (jobs_.may_go_on(system_clock().unix_ms())) pump();
}

void Engine::preflight() {
  if (!pushes(settings_)) return;
  lanes_.post([this] { guarded([this] { ask_whether_it_may_push(); }); });
}

void Engine::ask_whether_it_may_push() {
  Status outcome;
  auto target = connection_.prepare(settings_, "", connection_.retry(), stop_.get_token());
  if (!target.ok()) {
    outcome = std::move(target).error();
    outcome.error().message = log_.redacted(outcome.error().message);
    log_.write(LogLevel::kError, "preflight: " + outcome.error().message);
  }
  const std::lock_guard lock(preflight_mutex_);
  preflight_outcome_ = std::move(outcome);
}

std::optional<Status> Engine::preflight_result() const {
  const std::lock_guard lock(preflight_mutex_);
  return preflight_outcome_;
}

WaitOutcome Engine::wait(const std::string& job_id, std::chrono::milliseconds timeout) const {
  if (!jobs_.pending(job_id)) return WaitOutcome::kEnded;
  if (!pushes(settings_)) return WaitOutcome::kStands;
  return jobs_.wait(job_id, std::chrono::steady_clock::now() + timeout);
}

bool Engine::cancel(const std::string& job_id) {
  const bool any = job_id.empty() ? jobs_.left() : jobs_.has(job_id);
  if (any) clean_up(job_id.empty() ? jobs_.cancel_all() : jobs_.cancel(job_id));
  return any;
}

bool Engine::close(std::chrono::milliseconds drain) {
  {
    const std::lock_guard lock(submit_mutex_);  // a submit in progress still gets in
    refusing_ = true;
  }
  if (drain.count() > 0) (void)wait("", drain);
  const std::lock_guard lock(close_mutex_);
  jobs_.close();
  stop_.request_stop();
  if (watcher_.joinable()) {
    watcher_.request_stop();
    watcher_.join();
  }
  jobs_.wait_until_idle();
  if (!released_) {
    store_late();  // the last chance of records for which there was no room
    save_late();
    sync_new_jobs();
    clean_up_now();
    heart_ = {};  // stopped and joined
    spool_.release();
    released_ = true;
  }
  return !jobs_.left();
}

}  // namespace hubrev
