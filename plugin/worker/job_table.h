#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "plugin/types/job_record.h"
#include "plugin/types/progress.h"

namespace hubrev {

// Why a running job was told to stop; decides what becomes of it.
enum class StopReason { kNone, kCancelled, kSuperseded, kClosing };

// A job taken by a lane.
struct RunningJob {
  JobRecord record;
  std::shared_ptr<Progress> progress;
  std::stop_token stop;
};

// The jobs of one spool and who may run. Thread-safe; holds no I/O and starts no thread. Lanes call
// take() and finish(); everybody else adds, stops, looks, and waits.
class JobTable {
 public:
  struct View {
    JobRecord record;
    std::shared_ptr<const Progress> progress;
  };

  // Adds a record; one that is not final is queued.
  void add(JobRecord record);
  // The next queued job whose branch no other job is busy with, now marked running; nullopt if
  // none.
  std::optional<RunningJob> take();
  // A running job's record changed.
  void update(const JobRecord& record);
  // A running job has ended with this record (its state queued again or final).
  void finish(JobRecord record);

  // Why the running job was stopped.
  StopReason stop_reason(const std::string& id) const;
  // A queued job ends at once, in `state`; a running one is asked to stop. The records that ended
  // are returned, for the caller to save.
  std::vector<JobRecord> stop_one(const std::string& id, StopReason reason);
  std::vector<JobRecord> stop_all(StopReason reason);
  // Stops every pending job that goes to the same branch of the same repository.
  std::vector<JobRecord> supersede(const std::string& branch_key);
  // Puts failed jobs that may succeed now back into the queue.
  void requeue_transient_failures();

  bool pending(const std::string& id) const;  // "" : any
  std::vector<View> views() const;            // by id
  std::vector<std::string> pending_ids() const;
  // The step of a done or pending job of that branch, if one has it.
  std::optional<std::int64_t> step_of(const std::string& branch_key) const;
  // Blocks until pending(id) is false or the deadline passes; whether it is.
  bool wait(const std::string& id, std::chrono::steady_clock::time_point deadline) const;
  // Blocks until no job is running.
  void wait_until_idle() const;

  // Tells jobs apart by where they go: endpoint, repository, branch.
  static std::string branch_key(const JobRecord& record);

 private:
  struct Job {
    JobRecord record;
    std::shared_ptr<Progress> progress = std::make_shared<Progress>();
    std::stop_source stop;
    StopReason reason = StopReason::kNone;
    bool running = false;
  };
  static bool is_pending(const Job& job) {
    return job.running || job.record.state == JobState::kQueued;
  }
  bool pending_locked(const std::string& id) const;
  void stop_locked(Job& job, StopReason reason, std::vector<JobRecord>& ended);

  mutable std::mutex mutex_;                 // guards jobs_
  mutable std::condition_variable changed_;  // something left the pending or running set
  std::map<std::string, Job> jobs_;          // by id, which sorts by creation
};

}  // namespace hubrev
