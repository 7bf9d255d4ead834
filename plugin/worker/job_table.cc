#include "plugin/worker/job_table.h"

#include <algorithm>
#include <utility>

namespace hubrev {

std::string JobTable::branch_key(const JobRecord& record) {
  const auto text = [&](const char* key) { return record.settings.value(key, std::string()); };
  return text("endpoint") + " " + text("repo_id") + " " + record.revision;
}

void JobTable::add(JobRecord record) {
  const std::lock_guard lock(mutex_);
  const std::string id = record.id;
  jobs_[id].record = std::move(record);
}

std::optional<RunningJob> JobTable::take() {
  const std::lock_guard lock(mutex_);
  for (auto& [id, job] : jobs_) {
    if (job.running || job.record.state != JobState::kQueued) continue;
    const std::string key = branch_key(job.record);
    const bool busy = std::any_of(jobs_.begin(), jobs_.end(), [&](const auto& other) {
      return other.second.running && branch_key(other.second.record) == key;
    });
    if (busy) continue;
    job.running = true;
    job.reason = StopReason::kNone;
    job.stop = std::stop_source();
    job.progress = std::make_shared<Progress>();
    return RunningJob{job.record, job.progress, job.stop.get_token()};
  }
  return std::nullopt;
}

void JobTable::update(const JobRecord& record) {
  const std::lock_guard lock(mutex_);
  jobs_[record.id].record = record;
}

void JobTable::finish(JobRecord record) {
  {
    const std::lock_guard lock(mutex_);
    Job& job = jobs_[record.id];
    job.record = std::move(record);
    job.running = false;
  }
  changed_.notify_all();
}

StopReason JobTable::stop_reason(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto at = jobs_.find(id);
  return at == jobs_.end() ? StopReason::kNone : at->second.reason;
}

void JobTable::stop_locked(Job& job, StopReason reason, std::vector<JobRecord>& ended) {
  if (job.running) {
    // The first reason stands: a job cancelled by its user is not put back by a close().
    if (job.reason == StopReason::kNone) job.reason = reason;
    job.stop.request_stop();
  } else if (job.record.state == JobState::kQueued && reason != StopReason::kClosing) {
    job.record.state =
        reason == StopReason::kSuperseded ? JobState::kSuperseded : JobState::kCancelled;
    ended.push_back(job.record);
  }
}

std::vector<JobRecord> JobTable::stop_one(const std::string& id, StopReason reason) {
  std::vector<JobRecord> ended;
  {
    const std::lock_guard lock(mutex_);
    if (const auto at = jobs_.find(id); at != jobs_.end()) stop_locked(at->second, reason, ended);
  }
  changed_.notify_all();
  return ended;
}

std::vector<JobRecord> JobTable::stop_all(StopReason reason) {
  std::vector<JobRecord> ended;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [id, job] : jobs_) stop_locked(job, reason, ended);
  }
  changed_.notify_all();
  return ended;
}

std::vector<JobRecord> JobTable::supersede(const std::string& branch) {
  std::vector<JobRecord> ended;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [id, job] : jobs_) {
      if (branch_key(job.record) != branch) continue;
      stop_locked(job, StopReason::kSuperseded, ended);
      // A failed one must not come back later and overwrite its successor.
      if (!job.running && job.record.state == JobState::kFailed) {
        job.record.state = JobState::kSuperseded;
        ended.push_back(job.record);
      }
    }
  }
  changed_.notify_all();
  return ended;
}

void JobTable::requeue_transient_failures() {
  const std::lock_guard lock(mutex_);
  for (auto& [id, job] : jobs_) {
    const JobRecord& record = job.record;
    if (record.state == JobState::kFailed && record.error && retryable(record.error->kind)) {
      job.record.state = JobState::kQueued;
    }
  }
}

bool JobTable::pending_locked(const std::string& id) const {
  if (!id.empty()) {
    const auto at = jobs_.find(id);
    return at != jobs_.end() && is_pending(at->second);
  }
  return std::any_of(jobs_.begin(), jobs_.end(),
                     [](const auto& entry) { return is_pending(entry.second); });
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

std::vector<std::string> JobTable::pending_ids() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> ids;
  for (const auto& [id, job] : jobs_) {
    if (is_pending(job)) ids.push_back(id);
  }
  return ids;
}

std::optional<std::int64_t> JobTable::step_of(const std::string& branch) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, job] : jobs_) {
    const bool counts = is_pending(job) || job.record.state == JobState::kDone;
    if (counts && job.record.step && branch_key(job.record) == branch) return job.record.step;
  }
  return std::nullopt;
}

bool JobTable::wait(const std::string& id, std::chrono::steady_clock::time_point deadline) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, deadline, [&] { return !pending_locked(id); });
}

void JobTable::wait_until_idle() const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    return std::none_of(jobs_.begin(), jobs_.end(),
                        [](const auto& entry) { return entry.second.running; });
  });
}

}  // namespace hubrev
