#include "plugin/worker/job_table.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace hubrev {
namespace {

constexpr std::int64_t kHourMs = 3'600'000;

}  // namespace

std::string JobTable::branch_key(const JobRecord& record) {
  const auto text = [&](const char* key) {
    return record.settings->values.value(key, std::string());
  };
  return text("endpoint") + " " + text("repo_id") + " " + record.revision;
}

void JobTable::index_locked(Job& job) {
  const std::string& id = job.record.id;
  if (std::string key = branch_key(job.record); key != job.branch) {
    if (const auto old = branches_.find(job.branch); old != branches_.end()) old->second.erase(id);
    job.branch = std::move(key);
    branches_[job.branch].emplace(id, &job);
  }
  if (has_ended(job)) {
    active_.erase(id);
  } else {
    active_.emplace(id, &job);
  }
}

const JobTable::JobsById& JobTable::branch_locked(const std::string& key) const {
  static const JobsById kNone;
  const auto at = branches_.find(key);
  return at == branches_.end() ? kNone : at->second;
}

void JobTable::add(JobRecord record, Origin origin) {
  {
    const std::lock_guard lock(mutex_);
    const std::string id = record.id;
    Job& job = jobs_[id];
    job.record = std::move(record);
    index_locked(job);
    if (job.record.state == JobState::kDone) note_done_locked(job.record.updated_ms);
    if (origin != Origin::kSubmitted || is_pending(job)) return;  // nothing that anyone waits for
    outcomes_.push_back(id);
  }
  changed_.notify_all();
}

bool JobTable::branch_is_busy_locked(const std::string& key) const {
  const JobsById& jobs = branch_locked(key);
  return std::any_of(jobs.begin(), jobs.end(),
                     [](const auto& entry) { return entry.second->running; });
}

void JobTable::note_done_locked(std::int64_t ms) {
  done_ms_.insert(std::upper_bound(done_ms_.begin(), done_ms_.end(), ms), ms);
}

// What was done counts, and what runs: it will be.
bool JobTable::reached_pace_locked(std::int64_t now_ms) const {
  if (!max_pushes_per_hour_) return false;
  const auto running = std::count_if(active_.begin(), active_.end(),
                                     [](const auto& entry) { return entry.second->running; });
  // Not beyond now: a clock that was ahead and is set right would stop everything until then.
  const auto end = std::upper_bound(done_ms_.begin(), done_ms_.end(), now_ms);
  const auto hour = std::upper_bound(done_ms_.begin(), end, now_ms - kHourMs);
  return running + (end - hour) >= *max_pushes_per_hour_;
}

bool JobTable::paced(std::int64_t now_ms) const {
  const std::lock_guard lock(mutex_);
  const bool queued = std::any_of(active_.begin(), active_.end(), [](const auto& entry) {
    return !entry.second->running && entry.second->record.state == JobState::kQueued;
  });
  return queued && reached_pace_locked(now_ms);
}

bool JobTable::may_go_on(std::int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  if (!held_back_ || reached_pace_locked(now_ms)) return false;
  held_back_ = false;
  return true;
}

std::optional<RunningJob> JobTable::take(std::int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  if (closed_) return std::nullopt;
  if (reached_pace_locked(now_ms)) {
    held_back_ = true;
    return std::nullopt;
  }
  for (const auto& [id, job] : active_) {
    if (job->running || job->record.state != JobState::kQueued) continue;
    if (branch_is_busy_locked(job->branch)) continue;
    job->reason = StopReason::kNone;
    job->stop = std::stop_source();
    job->progress = std::make_shared<Progress>();
    RunningJob taken{job->record, job->progress, job->stop.get_token()};
    job->running = true;  // last: what memory does not suffice for does not run
    return taken;
  }
  return std::nullopt;
}

void JobTable::refresh(const JobRecord& record) {
  const std::lock_guard lock(mutex_);
  Job& job = jobs_[record.id];
  if (job.running || has_ended(job) || job.record.state == JobState::kSkipped) return;
  job.record = record;
  index_locked(job);
}

void JobTable::update(const JobRecord& record) {
  const std::lock_guard lock(mutex_);
  Job& job = jobs_[record.id];
  job.record = record;
  index_locked(job);
}

bool JobTable::settle_skipped(const JobRecord& record) {
  const std::lock_guard lock(mutex_);
  Job& job = jobs_[record.id];
  if (job.record.state != JobState::kSkipped) return false;
  job.record = record;
  index_locked(job);
  if (is_final(record.state)) outcomes_.push_back(record.id);
  return true;
}

void JobTable::finish(JobRecord record) {
  {
    const std::lock_guard lock(mutex_);
    const bool done = record.state == JobState::kDone;
    Job& job = jobs_[record.id];
    job.record = std::move(record);
    job.running = false;
    index_locked(job);
    if (is_final(job.record.state)) outcomes_.push_back(job.record.id);
    if (done) note_done_locked(job.record.updated_ms);
    // Before anyone is woken: whoever waits for all jobs waits for the second chance, too.
    if (done) requeue_transient_failures_locked(std::numeric_limits<std::int64_t>::max());
  }
  changed_.notify_all();
}

bool JobTable::has_successor_locked(const JobRecord& record) const {
  const JobsById& jobs = branch_locked(branch_key(record));
  return std::any_of(jobs.upper_bound(record.id), jobs.end(),
                     [](const auto& later) { return !later.second->record.frozen.empty(); });
}

bool JobTable::has_successor(const JobRecord& record) const {
  const std::lock_guard lock(mutex_);
  return has_successor_locked(record);
}

void JobTable::retry_failed(std::int64_t before_ms) {
  const std::lock_guard lock(mutex_);
  requeue_transient_failures_locked(before_ms);
}

void JobTable::requeue_transient_failures_locked(std::int64_t before_ms) {
  for (const auto& [id, job] : active_) {
    JobRecord& record = job->record;
    const bool transient = record.state == JobState::kFailed && !record.frozen.empty() &&
                           record.updated_ms <= before_ms && record.error &&
                           retryable(record.error->kind);
    if (transient && !has_successor_locked(record)) record.state = JobState::kQueued;
  }
}

StopReason JobTable::stop_reason(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto at = jobs_.find(id);
  return at == jobs_.end() ? StopReason::kNone : at->second.reason;
}

// Takes the job out of `active_`. Returns its last record, for the caller to save.
JobRecord JobTable::end_locked(Job& job, JobState state) {
  job.record.state = state;
  index_locked(job);
  outcomes_.push_back(job.record.id);
  return job.record;
}

void JobTable::stop_running(Job& job, StopReason reason) {
  // The first reason stands: a job cancelled by its user is not put back by a close().
  if (job.reason == StopReason::kNone) job.reason = reason;
  job.stop.request_stop();
}

std::vector<JobRecord> JobTable::cancel(const std::string& id) {
  std::vector<JobRecord> ended;
  {
    const std::lock_guard lock(mutex_);
    const auto at = jobs_.find(id);
    if (at == jobs_.end()) return ended;
    Job& job = at->second;
    if (job.running) {
      stop_running(job, StopReason::kCancelled);
    } else if (is_open(job) || job.record.state == JobState::kFailed) {
      ended.push_back(end_locked(job, JobState::kCancelled));
    }
  }
  changed_.notify_all();
  return ended;
}

std::vector<JobRecord> JobTable::cancel_all() {
  std::vector<JobRecord> ended;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [id, job] : jobs_) {
      if (job.running) {
        stop_running(job, StopReason::kCancelled);
      } else if (is_open(job)) {
        ended.push_back(end_locked(job, JobState::kCancelled));
      }
    }
  }
  changed_.notify_all();
  return ended;
}

std::vector<JobRecord> JobTable::supersede(const JobRecord& successor) {
  std::vector<JobRecord> ended;
  const std::string key = branch_key(successor);
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, job] : branch_locked(key)) {
      if (id == successor.id) continue;
      if (job->running) {
        stop_running(*job, StopReason::kSuperseded);
      } else if (is_open(*job) || job->record.state == JobState::kFailed) {
        ended.push_back(end_locked(*job, JobState::kSuperseded));
      }
    }
  }
  if (!ended.empty()) changed_.notify_all();
  return ended;
}

std::optional<JobRecord> JobTable::drop(const std::string& id) {
  std::optional<JobRecord> dropped;
  {
    const std::lock_guard lock(mutex_);
    const auto at = active_.find(id);
    if (at == active_.end() || !is_waiting(*at->second)) return dropped;
    dropped = end_locked(*at->second, JobState::kDropped);
  }
  changed_.notify_all();
  return dropped;
}

void JobTable::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (const auto& [id, job] : active_) {
      if (job->running) stop_running(*job, StopReason::kClosing);
    }
  }
  changed_.notify_all();
}

std::optional<JobTable::View> JobTable::view(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto at = jobs_.find(id);
  if (at == jobs_.end()) return std::nullopt;
  return View{at->second.record, at->second.progress};
}

bool JobTable::has(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto at = jobs_.find(id);
  if (at == jobs_.end()) return false;
  return is_open(at->second) || at->second.record.state == JobState::kFailed;
}

bool JobTable::pending_locked(const std::string& id) const {
  if (!id.empty()) {
    const auto at = jobs_.find(id);
    return at != jobs_.end() && is_pending(at->second);
  }
  return std::any_of(active_.begin(), active_.end(),
                     [](const auto& entry) { return is_pending(*entry.second); });
}

bool JobTable::pending(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  return pending_locked(id);
}

std::vector<JobTable::View> JobTable::views() const {
  const std::lock_guard lock(mutex_);
  std::vector<View> views;
  views.reserve(jobs_.size());
  for (const auto& [id, job] : jobs_) views.push_back({job.record, job.progress});
  return views;
}

std::vector<std::string> JobTable::open_ids() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> ids;
  for (const auto& [id, job] : active_) {
    if (is_open(*job)) ids.push_back(id);
  }
  return ids;
}

std::vector<std::string> JobTable::unsettled_ids() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> ids;
  for (const auto& [id, job] : active_) {
    if (job->record.state != JobState::kSkipped) ids.push_back(id);
  }
  return ids;
}

std::optional<JobState> JobTable::state_of(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto at = jobs_.find(id);
  if (at == jobs_.end()) return std::nullopt;
  return at->second.record.state;
}

std::vector<JobTable::View> JobTable::running() const {
  const std::lock_guard lock(mutex_);
  std::vector<View> views;
  for (const auto& [id, job] : active_) {
    if (job->running) views.push_back({job->record, job->progress});
  }
  return views;
}

std::vector<JobRecord> JobTable::skipped() const {
  const std::lock_guard lock(mutex_);
  std::vector<JobRecord> records;
  for (const auto& [id, job] : active_) {
    if (job->record.state == JobState::kSkipped) records.push_back(job->record);
  }
  return records;
}

std::vector<JobRecord> JobTable::waiting() const {
  const std::lock_guard lock(mutex_);
  std::vector<JobRecord> records;
  for (const auto& [id, job] : active_) {
    if (is_waiting(*job)) records.push_back(job->record);
  }
  return records;
}

std::vector<JobRecord> JobTable::snapshots() const {
  const std::lock_guard lock(mutex_);
  std::vector<JobRecord> records;
  for (const auto& [id, job] : active_) {
    const bool ended = is_final(job->record.state) && job->record.state != JobState::kFailed;
    if (!ended && !job->record.frozen.empty()) records.push_back(job->record);
  }
  return records;
}

std::size_t JobTable::pending_count() const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(
      std::count_if(active_.begin(), active_.end(), [](const auto& entry) {
        return is_pending(*entry.second) && !is_final(entry.second->record.state);
      }));
}

bool JobTable::left() const {
  const std::lock_guard lock(mutex_);
  return std::any_of(active_.begin(), active_.end(),
                     [](const auto& entry) { return is_open(*entry.second); });
}

std::vector<GitId> JobTable::own_commits(const JobRecord& record) const {
  const std::string key = branch_key(record);
  std::vector<GitId> commits;
  const std::lock_guard lock(mutex_);
  for (const auto& [id, job] : branch_locked(key)) {
    if (const auto commit = GitId::from_hex(job->record.commit)) commits.push_back(*commit);
  }
  return commits;
}

std::optional<std::int64_t> JobTable::step_of(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, job] : branch_locked(key)) {
    const bool counts = is_pending(*job) || job->record.state == JobState::kDone;
    if (counts && job->record.step) return job->record.step;
  }
  return std::nullopt;
}

WaitOutcome JobTable::wait(const std::string& id,
                           std::chrono::steady_clock::time_point deadline) const {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline, [&] { return closed_ || !pending_locked(id); });
  if (!pending_locked(id)) return WaitOutcome::kEnded;
  return closed_ ? WaitOutcome::kStands : WaitOutcome::kTimedOut;
}

std::vector<std::string> JobTable::wait_for_outcomes(
    std::size_t seen, std::chrono::steady_clock::time_point deadline) const {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline, [&] { return closed_ || outcomes_.size() > seen; });
  if (outcomes_.size() <= seen) return {};
  return {outcomes_.begin() + static_cast<std::ptrdiff_t>(seen), outcomes_.end()};
}

std::size_t JobTable::outcomes() const {
  const std::lock_guard lock(mutex_);
  return outcomes_.size();
}

void JobTable::wait_until_idle() const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    return std::none_of(active_.begin(), active_.end(),
                        [](const auto& entry) { return entry.second->running; });
  });
}

}  // namespace hubrev
