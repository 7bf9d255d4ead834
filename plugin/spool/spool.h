#pragma once
// The folder that holds frozen checkpoints and the records of their jobs. Whatever is in it when
// the process is killed is found again by the next one.
//
//   <root>/lock                held by the one process that pushes
//   <root>/lock.submit         held by the one process that submits; mostly the same one
//   <root>/worker.log          of who pushes
//   <root>/spool.log           of who only submits
//   <root>/weights.json        what is remembered of the weights published last
//   <root>/next/               the next job with a snapshot, or being it
//   <root>/tmp-<job id>/       a job without one that is being submitted, or `next` being prepared
//                              (both are removed by the next owner if their process dies)
//   <root>/<job id>/job.json   the record; a folder without it is no job
//   <root>/<job id>/files/     the frozen checkpoint; without it the job has no snapshot
//   <root>/<job id>/files.small  its small files, one after the other
//   <root>/<job id>/card.md    the trainer's model card, frozen with it
//   <root>/<job id>/weights.json  weights.json of the root as the job found it
//   <root>/<job id>/git/       scratch of the worker
//   <root>/<job id>/objects/   LFS objects that are no file of their own, for a transfer agent
//   <root>/<job id>/cancel     present when somebody asked to cancel
//   <root>/<job id>/progress.json  how far the push is, for other processes to show

#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plugin/base/result.h"
#include "plugin/spool/lock.h"
#include "plugin/types/job_record.h"
#include "plugin/types/settings.h"

namespace hubrev {

// A right for the moment; see Spool::borrow().
struct BorrowedRight {
  std::unique_lock<std::mutex> turn;  // one thread of this process at a time
  std::optional<SpoolLock> lock;      // empty where the spool has that right anyway
};

// The view of who submits to a spool, pushes from it, or both, by its mode. Who only submits adds
// jobs; all that happens to them afterwards is the pusher's, on this machine or another. Movable;
// thread-safe as long as no two threads work on the same job.
// Job ids are those of new_job_id() or read_spool(); others are refused as invalid_input by what
// returns a Status.
class Spool {
  struct State;

 public:
  // Creates `root` (mode 0700) if missing, takes the rights that the mode needs and removes what a
  // killed submit left. kConfig names the process that has such a right; io when the folder cannot
  // be written. The rights end with this object or with the process, are not inherited by a fork,
  // and also keep a second Spool of the same process out.
  static Result<Spool> open(const std::string& root, Mode mode = Mode::kPush);
  ~Spool();
  Spool(Spool&&) noexcept;
  Spool& operator=(Spool&&) noexcept;

  const std::string& root() const;  // absolute

  // Lets others open the folder. Afterwards only root() may be called. Safe to repeat.
  void release();

  // The other right, for as long as the result lives; at once where the mode has it. nullopt while
  // another process has it. Not to be borrowed twice by one thread.
  std::optional<BorrowedRight> borrow(SpoolRight right);

  // To be called once a second, also while other calls are under way, but not after release():
  // tells others that this process lives.
  void beat() const;

  // Sorts after every id that this spool holds, also when the clock was set back. Creates nothing.
  std::string new_job_id();

  // A submit that has begun: a folder to fill, which becomes a job when it is published, and goes
  // away if it never is. Nothing is synced to disk: the caller is the training thread, and a kill
  // loses nothing that was renamed. To be gone before its Spool.
  class Begun {
   public:
    ~Begun();
    Begun(Begun&& other) noexcept;
    Begun& operator=(Begun&&) = delete;
    Begun(const Begun&) = delete;
    Begun& operator=(const Begun&) = delete;

    const std::string& folder() const { return folder_; }
    // Makes the folder the record's job.
    Status publish(const JobRecord& record) &&;

   private:
    friend class Spool;
    Begun(State& state, std::string folder) : state_(state), folder_(std::move(folder)) {}
    State& state_;
    std::string folder_;  // "" once published or moved from
  };
  // A job without a snapshot.
  Result<Begun> begin(const std::string& job_id);
  // A job with one, of which one is under way at a time. Creates nothing where prepare() was there
  // since the last.
  Result<Begun> begin_snapshot();

  // Makes the folder that the next begin_snapshot() gives, with what every snapshot has in it. To
  // create a file or folder takes ext4 0.3 ms for a while after mass deletes, which is what
  // checkpoint rotation is; so it is not left to the training thread. Best effort; one thread,
  // beside which another may submit.
  void prepare();

  // Has a published job, but not its large files, written to disk: a power loss costs nothing that
  // was synced. Blocks for the disk; never on the training thread.
  Status sync_job(const std::string& job_id) const;

  // Shows other processes how far a running job is, while it has its snapshot. Best effort.
  void show_progress(const std::string& job_id, const nlohmann::json& progress) const;

  // Replaces the record of a published job atomically. On disk when this returns; blocks for it.
  Status save(const JobRecord& record);
  // Removes everything of the job but its record. Safe to repeat.
  Status free_snapshot(const std::string& job_id);

  std::string files_directory(const std::string& job_id) const;
  std::string card_path(const std::string& job_id) const;          // the file may not exist
  std::string weights_path() const;                                // may not exist, too
  std::string weights_path(const std::string& job_id) const;       // may not exist, too
  std::string work_directory(const std::string& job_id) const;     // not created; may not exist
  std::string objects_directory(const std::string& job_id) const;  // the same

 private:
  explicit Spool(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

struct SpoolContents {
  std::vector<JobRecord> records;                  // sorted by id
  std::map<std::string, nlohmann::json> progress;  // by id, of jobs that a worker is busy with
  std::vector<std::string> problems;  // one sentence per folder whose record cannot be read
};

// What a spool holds. Takes no lock and changes nothing, so it may run beside the owner, also in
// another process; never deletes what it cannot read. A missing root is an empty spool.
Result<SpoolContents> read_spool(const std::string& root);

// The record of one job as it is on disk now.
Result<JobRecord> read_job(const std::string& root, const std::string& job_id);
// The ids of all jobs, sorted; cheap, since no record is read.
Result<std::vector<std::string>> list_jobs(const std::string& root);
// When the record was last replaced; nullopt when there is none.
std::optional<FileStamp> record_stamp(const std::string& root, const std::string& job_id);

// The checkpoint's folder, also where the file system that it shares with the spool is mounted at
// another path than when it was frozen.
std::string checkpoint_of(const std::string& root, const JobRecord& record);

// Asks the owner, in whatever process, to cancel a job: it polls cancel_requested(). not_found when
// the spool holds no such job.
Status request_cancel(const std::string& root, const std::string& job_id);
bool cancel_requested(const std::string& root, const std::string& job_id);

}  // namespace hubrev
