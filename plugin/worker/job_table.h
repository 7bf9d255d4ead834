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

#include "plugin/base/ids.h"
#include "plugin/types/job_record.h"
#include "plugin/types/progress.h"

namespace hubrev {

// Why a running job was told to stop; decides what becomes of it.
enum class StopReason { kNone, kCancelled, kSuperseded, kClosing };

enum class WaitOutcome {
  kEnded,
  kTimedOut,
  kStands,  // nothing will end here, however long one waits: closed, or Mode::kSpool
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
// "Pending" is queued or running, be it in another process; "waiting" is queued or failed, with a
// snapshot. Ids sort by creation, so that a later job of the same branch with a snapshot is an
// earlier one's successor; an earlier one never runs again once it has one.
class JobTable {
 public:
  // At most that many pushes begin within any hour; nullopt for no limit.
  explicit JobTable(std::optional<int> max_pushes_per_hour = std::nullopt)
      : max_pushes_per_hour_(max_pushes_per_hour) {}

  struct View {
    JobRecord record;
    std::shared_ptr<const Progress> progress;
  };

  enum class Origin { kSubmitted, kEarlierProcess };
  // Adds a record; one that is kQueued waits for a lane.
  void add(JobRecord record, Origin origin = Origin::kSubmitted);
  // The next queued job whose branch no other job is busy with, now marked running; nullopt if
  // there is none, while paced(), or after close(). `now_ms` is in unix milliseconds.
  std::optional<RunningJob> take(std::int64_t now_ms);
  // Whether jobs wait because as many revisions as one hour may have were pushed within the last.
  bool paced(std::int64_t now_ms) const;
  // Whether the pace that made take() refuse allows another push by now. True once for each time
  // that it refused: nobody else looks again, since no job ends then.
  bool may_go_on(std::int64_t now_ms);
  // Another process has changed the record of a job that is not this one's to run. Ignored of one
  // that has ended here, or that is still to be frozen here.
  void refresh(const JobRecord& record);
  // A running job's record changed.
  void update(const JobRecord& record);
  // A skipped job is skipped no more: it has its snapshot and is queued, or has failed. False when
  // somebody else has ended it.
  bool settle_skipped(const JobRecord& record);
  // A running job has ended with this record (its state queued again or final). A success shows
  // that the server is there, so what failed for want of it is queued again.
  void finish(JobRecord record);

  // Queues again what failed for want of a server, and not after `before_ms`.
  void retry_failed(std::int64_t before_ms);

  // Why the running job was stopped.
  StopReason stop_reason(const std::string& id) const;
  // Cancels one job, or every pending one: a running one is asked to stop, a waiting one ends at
  // once, and so does a failed one that is named. Returned are the records that ended, for the
  // caller to save.
  std::vector<JobRecord> cancel(const std::string& id);
  std::vector<JobRecord> cancel_all();
  // The same for whatever else goes to the successor's branch, pending or failed.
  std::vector<JobRecord> supersede(const JobRecord& successor);
  // Drops a waiting job, and returns its record, for the caller to save and free; nullopt when it
  // waits no more.
  std::optional<JobRecord> drop(const std::string& id);
  // Stops running jobs, lets none begin, wakes those who wait. Safe to repeat.
  void close();

  std::optional<View> view(const std::string& id) const;
  bool has(const std::string& id) const;      // known and not done, cancelled or superseded
  bool pending(const std::string& id) const;  // "": any
  // Whether a later job of its branch has a snapshot.
  bool has_successor(const JobRecord& record) const;
  std::vector<View> views() const;                 // by id
  std::vector<std::string> open_ids() const;       // pending or skipped
  std::vector<std::string> unsettled_ids() const;  // pending or failed
  std::optional<JobState> state_of(const std::string& id) const;
  std::vector<View> running() const;
  std::vector<JobRecord> skipped() const;    // by id
  std::vector<JobRecord> waiting() const;    // by id: queued, or failed with a snapshot
  std::vector<JobRecord> snapshots() const;  // records of jobs that are not done and hold one
  std::size_t pending_count() const;         // without those whose run has come to its end
  bool left() const;                         // pending or skipped ones
  // The commits that were pushed, or were about to be, to the record's branch.
  std::vector<GitId> own_commits(const JobRecord& record) const;
  // The step of a done or pending job of that branch, if one has it.
  std::optional<std::int64_t> step_of(const std::string& branch_key) const;
  // Blocks until pending(id) is false, close() is called, or the deadline passes.
  WaitOutcome wait(const std::string& id, std::chrono::steady_clock::time_point deadline) const;
  // The ids of jobs that ended, or were skipped, after the first `seen` that did; one may occur
  // more than once (a failed job that was tried again). Blocks while there is none, until close()
  // is called or the deadline passes.
  std::vector<std::string> wait_for_outcomes(std::size_t seen,
                                             std::chrono::steady_clock::time_point deadline) const;
  std::size_t outcomes() const;
  // Blocks until no job is running.
  void wait_until_idle() const;

  // Tells jobs apart by where they go: endpoint, repository, branch.
  static std::string branch_key(const JobRecord& record);

 private:
  struct Job {
    JobRecord record;
    std::string branch;  // branch_key() of the record
    std::shared_ptr<Progress> progress = std::make_shared<Progress>();
    std::stop_source stop;
    StopReason reason = StopReason::kNone;
    bool running = false;
  };
  using Jobs = std::map<std::string, Job>;
  using JobsById = std::map<std::string, Job*>;
  // Nothing more will become of it by itself.
  static bool has_ended(const Job& job) {
    const JobState state = job.record.state;
    return !job.running && is_final(state) && state != JobState::kFailed;
  }
  static bool is_pending(const Job& job) {
    const JobState state = job.record.state;
    return job.running || (!is_final(state) && state != JobState::kSkipped);
  }
  static bool is_open(const Job& job) {
    return is_pending(job) || job.record.state == JobState::kSkipped;
  }
  static bool is_waiting(const Job& job) {
    const JobState state = job.record.state;
    return !job.running && !job.record.frozen.empty() &&
           (state == JobState::kQueued || state == JobState::kFailed);
  }
  // To be called whenever a job's record or `running` changed.
  void index_locked(Job& job);
  void note_done_locked(std::int64_t ms);
  const JobsById& branch_locked(const std::string& branch_key) const;
  bool pending_locked(const std::string& id) const;
  bool reached_pace_locked(std::int64_t now_ms) const;
  bool branch_is_busy_locked(const std::string& branch_key) const;
  bool has_successor_locked(const JobRecord& record) const;
  void requeue_transient_failures_locked(std::int64_t before_ms);
  static void stop_running(Job& job, StopReason reason);
  JobRecord end_locked(Job& job, JobState state);

  const std::optional<int> max_pushes_per_hour_;
  mutable std::mutex mutex_;                 // guards all below
  mutable std::condition_variable changed_;  // something left the pending or running set, or closed
  Jobs jobs_;                                // by id, which sorts by creation
  // What is looked at for each job must not grow with the jobs that are done.
  JobsById active_;  // all but those that have ended
  std::map<std::string, JobsById> branches_;
  std::vector<std::int64_t> done_ms_;  // when revisions were published, ascending
  std::vector<std::string> outcomes_;  // ids, once for each time that one ended or was skipped
  bool held_back_ = false;             // take() refused for the pace, and nobody looked since
  bool closed_ = false;
};

}  // namespace hubrev
