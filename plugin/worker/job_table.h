#pragma once

#include <chrono>
#include <condition_variable>
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

enum class WaitOutcome {
  kEnded,
  kTimedOut,
  kStands,  // nothing will end, however long one waits: closed, or Settings::offline
};

// A job taken by a lane.
struct RunningJob {
  JobRecord record;
  std::shared_ptr<Progress> progress;
  std::stop_token stop;
};

// The jobs of one spool and who may run. Thread-safe; holds no I/O and starts no thread. Lanes call
// take() and finish(); everybody else adds, stops, looks, and waits.
//
// "Pending" is queued or running. Ids sort by creation, so that a later job of the same branch with
// a snapshot is an earlier one's successor; an earlier one never runs again once it has one.
class JobTable {
 public:
  struct View {
    JobRecord record;
    std::shared_ptr<const Progress> progress;
  };

  // Adds a record; one that is kQueued waits for a lane.
  void add(JobRecord record);
  // The next queued job whose branch no other job is busy with, now marked running; nullopt if
  // there is none, or after close().
  std::optional<RunningJob> take();
  // A running job's record changed.
  void update(const JobRecord& record);
  // A running job has ended with this record (its state queued again or final). A success shows
  // that the server is there, so what failed for want of it is queued again.
  void finish(JobRecord record);

  // Why the running job was stopped.
  StopReason stop_reason(const std::string& id) const;
  // Cancels one job, or every pending one: a running one is asked to stop, a waiting one ends at
  // once, and so does a failed one that is named. Returned are the records that ended, for the
  // caller to save.
  std::vector<JobRecord> cancel(const std::string& id);
  std::vector<JobRecord> cancel_all();
  // The same for whatever else goes to the successor's branch, pending or failed.
  std::vector<JobRecord> supersede(const JobRecord& successor);
  // Stops running jobs, lets none begin, wakes those who wait. Safe to repeat.
  void close();

  bool has(const std::string& id) const;      // known and not done, cancelled or superseded
  bool pending(const std::string& id) const;  // "": any
  std::vector<View> views() const;            // by id
  std::vector<std::string> pending_ids() const;
  // The step of a done or pending job of that branch, if one has it.
  std::optional<std::int64_t> step_of(const std::string& branch_key) const;
  // Blocks until pending(id) is false, close() is called, or the deadline passes.
  WaitOutcome wait(const std::string& id, std::chrono::steady_clock::time_point deadline) const;
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
  using Jobs = std::map<std::string, Job>;
  static bool is_pending(const Job& job) {
    return job.running || job.record.state == JobState::kQueued;
  }
  bool pending_locked(const std::string& id) const;
  bool branch_is_busy_locked(const std::string& branch_key) const;
  bool has_successor_locked(Jobs::const_iterator job) const;
  void requeue_transient_failures_locked();
  static void stop_running(Job& job, StopReason reason);

  mutable std::mutex mutex_;                 // guards jobs_ and closed_
  mutable std::condition_variable changed_;  // something left the pending or running set, or closed
  Jobs jobs_;                                // by id, which sorts by creation
  bool closed_ = false;
};

}  // namespace hubrev
