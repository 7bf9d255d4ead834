#pragma once
// The state and the threads behind Worker. Internal to this layer; worker.h has the contract.

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "plugin/base/log.h"
#include "plugin/base/pool.h"
#include "plugin/pipeline/connection.h"
#include "plugin/pipeline/weights_memory.h"
#include "plugin/snapshot/freeze.h"
#include "plugin/spool/budget.h"
#include "plugin/spool/spool.h"
#include "plugin/worker/job_table.h"
#include "plugin/worker/worker.h"

namespace hubrev {

// Members are destroyed from the bottom up: threads before what they use.
class Engine {
 public:
  Engine(Settings settings, nlohmann::json effective, std::string output_dir, Spool spool,
         Secret token);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Opens the log, sorts out what an earlier process left, starts the threads. Once, first of all.
  Status start(SpoolContents contents, const WorkerOptions& options);

  Result<std::string> submit(const Submission& submission);  // submit.cc
  std::vector<std::string> take_up_new();                    // shared.cc
  void preflight();
  std::optional<Status> preflight_result() const;
  WaitOutcome wait(const std::string& job_id, std::chrono::milliseconds timeout) const;
  bool cancel(const std::string& job_id);
  bool close(std::chrono::milliseconds drain);
  bool wait_for_room(std::chrono::milliseconds timeout) const;
  const JobTable& jobs() const { return jobs_; }
  const Settings& settings() const { return settings_; }

 private:
  // On the caller's thread (submit.cc).
  Status describe(const Submission& submission, JobRecord& record) const;
  SpoolUse use() const;
  Result<std::uint64_t> room() const;
  Status freeze_with_room(JobRecord& record, const std::string& fingerprint);
  bool give_way(const JobRecord& record, std::uint64_t wanted);
  Status freeze(JobRecord& record, const std::string& fingerprint, std::uint64_t max_copied_bytes);
  Status freeze_into(const FreezeRequest& request, const std::string& card,
                     JobRecord& record) const;
  Status store(const JobRecord& record);
  void remember(JobRecord record, const Error& error);

  // Sharing the spool with another process (shared.cc).
  void remember_earlier(std::vector<JobRecord> records);
  void refresh();
  bool is_settled_on_disk(const std::string& id) const;
  std::optional<JobRecord> new_on_disk(const std::string& id);

  // Freezing what was skipped, on any thread but the training's (skipped.cc).
  void freeze_skipped();
  Status freeze_again(JobRecord& record, std::uint64_t max_copied_bytes);
  void settle_skipped(JobRecord record, const Status& frozen);
  void store_late();
  bool is_stored(const std::string& id);
  bool still_skipped(const std::string& id) const;

  // What others left in the spool, on the caller's thread (earlier.cc).
  void take_up_all(std::vector<JobRecord> records);
  void take_up(JobRecord record, bool has_successor);

  // On a lane.
  void run_next();
  void ask_whether_it_may_push();
  Status run(RunningJob& job);
  void settle(JobRecord record, const Status& outcome);

  void beat(const std::stop_token& token);  // the heart

  // On the watcher.
  void watch(const std::stop_token& token);
  void look_around();
  void save_late();
  void sync_new_jobs();
  void look_at_jobs();
  void show_progress() const;
  void keep_pace();

  // Any thread.
  bool guarded(const std::function<void()>& body);  // false when it threw
  void pump();                                      // gives every lane a look at the queue
  void wake_lane();                                 // gives one lane a look
  bool clean_up(std::vector<JobRecord> ended);      // whether it was done here
  void clean_up_later(std::vector<JobRecord> ended);
  void clean_up_now();
  void sync_soon(const std::string& id);  // what was just written of a job, off this thread
  bool save(const JobRecord& record);     // whether it is on disk

  const Settings settings_;
  const SharedSettings effective_;  // every key; stored with each job
  const std::string output_dir_;
  // As it was on the caller's thread, who may change it while lanes start programs.
  const std::vector<std::string> environment_;
  std::string endpoint_override_;
  Log log_;
  Spool spool_;
  std::unique_ptr<HttpClient> http_;
  Connection connection_;
  WeightsMemory weights_;
  JobTable jobs_;
  std::mutex submit_mutex_;  // one submit at a time; guards refusing_
  bool refusing_ = false;
  mutable std::mutex preflight_mutex_;  // guards preflight_outcome_
  std::optional<Status> preflight_outcome_;
  std::mutex later_mutex_;             // guards ended_, unsynced_, unstored_, unsaved_
  std::condition_variable_any later_;  // there is something to do for the watcher
  std::vector<JobRecord> ended_;       // superseded; to be saved and freed off the training thread
  std::vector<std::string> unsynced_;  // submitted, and not known to be on disk
  std::set<std::string> unstored_;     // not even recorded: the disk was full
  std::set<std::string> unsaved_;      // ended, and the record on disk does not say so, as above
  std::mutex skipped_mutex_;           // held while skipped checkpoints are frozen or taken up
  std::mutex seen_mutex_;              // guards seen_
  std::map<std::string, FileStamp> seen_;  // records that the pusher changes, as last read
  bool paced_ = false;                     // the watcher's; it has said that pushes wait
  std::mutex close_mutex_;                 // one close at a time; guards released_
  bool released_ = false;
  std::stop_source stop_;  // of preflight
  ThreadPool files_;
  ThreadPool lanes_;
  std::jthread watcher_;
  std::jthread heart_;
};

}  // namespace hubrev
