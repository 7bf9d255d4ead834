#pragma once
// The engine: freezes on the caller's thread, does everything else on its own.
//
// Threads
//   caller   submit() freezes; status(), wait(), cancel() look at the table. Any thread, any
//   number. lanes    kLanes; each takes a queued job and runs it from top to bottom
//   (pipeline/run_job). files    Settings::concurrency; hash and upload one group of files each,
//   for the lanes. watcher  one; looks every half second for cancel requests of other processes.
//   heart    one; tells others that this process lives
// Nothing here calls Python; progress is pulled by status().
//
// Shutdown order (close): refuse submits -> drain until the deadline -> stop running jobs, which go
// back to the queue in the spool -> join the watcher, wait for the lanes -> join the heart and
// release the spool -> join lanes and files (the destructor).

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

#include "plugin/base/result.h"
#include "plugin/base/secret.h"
#include "plugin/types/job_record.h"
#include "plugin/types/settings.h"
#include "plugin/worker/job_table.h"

namespace hubrev {

class Engine;

struct WorkerOptions {
  nlohmann::json settings;  // partial; see configs/schema.json
  Secret token;             // may be empty: then every push fails with an auth error that says so
  std::string output_dir;   // absolute or relative; holds the default spool and the trainer's card
  // Where jobs of earlier processes go now, "" for where they were meant to go: a Hub may have
  // moved (a local one has another port each time), its repositories have not.
  std::string endpoint_override;
  // Names of parameters that the training to come leaves as they are; none given: not known.
  std::optional<std::set<std::string, std::less<>>> frozen_parameters = {};
};

struct Submission {
  std::string directory;  // the checkpoint
  std::string revision;   // "" to name it by the template
  std::optional<std::int64_t> step;
  std::optional<double> epoch;
  std::optional<std::int64_t> tokens;  // seen so far
  std::string run;                     // of a hyperparameter search, "" otherwise
  // Of the folder when it was found complete, by who does not see its trainer; "" otherwise.
  std::string fingerprint;
  std::map<std::string, double> metrics;
  std::optional<std::int64_t> eos_token_id;
};

// Thread-safe. In a forked child every method fails (kInternal) or does nothing, and the destructor
// leaks on purpose: the threads that could be joined do not exist there.
class Worker {
 public:
  // Opens the spool, takes up what an earlier process left (unfinished jobs, and failed ones whose
  // snapshot is still there), starts the threads. kConfig or io when that is not possible.
  static Result<std::unique_ptr<Worker>> create(WorkerOptions options);
  ~Worker();  // close(0)
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Asks, on a lane, whether the repository can be written, creating it if need be.
  void preflight();
  // nullopt while that runs (or was never asked for); then its outcome.
  std::optional<Status> preflight_result() const;

  // Freezes the checkpoint and queues it; returns the job's id. A few system calls per file, no
  // network, no fsync. A pending job of the same revision is superseded. Without room ('when_full')
  // the job is skipped: frozen later, if its checkpoint is still there when there is room. A
  // checkpoint that cannot be frozen leaves a failed record behind, and the error is returned; but
  // conflict, and no record, when something has happened to it since its fingerprint was taken: it
  // is being deleted, or saved again.
  Result<std::string> submit(Submission submission);

  // The other side of a spool that is shared: takes up what another process has submitted since the
  // last look, and gives what failed for want of a server another try, each after
  // 'retry_max_delay'. The ids of the new jobs.
  std::vector<std::string> take_up_new();

  // With 'when_full' "wait": blocks until submit() would find room, or nothing is pending that
  // could make some, or the timeout is over; false in the last case. Otherwise true at once.
  bool wait_for_room(std::chrono::milliseconds timeout) const;
  std::chrono::milliseconds room_timeout() const;  // the setting 'when_full_timeout'

  // Every record of the spool, oldest first, each with "progress" (types/progress.h); without the
  // lists of frozen files and the settings, which would make it megabytes in a long training.
  nlohmann::json status() const;

  // One record, in the form of status(); null when there is no such job.
  nlohmann::json record(const std::string& job_id) const;

  // The ids of jobs that ended or were skipped in this worker's life, after the first `seen`; waits
  // for one, at most `timeout`, and no longer than until close().
  std::vector<std::string> wait_for_outcomes(std::size_t seen,
                                             std::chrono::milliseconds timeout) const;

  // Blocks until the job ("" for all) has ended, at most `timeout`.
  WaitOutcome wait(const std::string& job_id, std::chrono::milliseconds timeout) const;

  // Stops one job, also a failed one, or ("") all pending ones. A running one touches the remote no
  // more after the request in flight was broken off. False: there was nothing to cancel.
  bool cancel(const std::string& job_id);

  // See above. Idempotent. False: jobs are left in the spool.
  bool close(std::chrono::milliseconds drain);

 private:
  explicit Worker(std::unique_ptr<Engine> engine);
  bool in_fork_child() const;
  const pid_t creator_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace hubrev
