#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "plugin/base/log.h"
#include "plugin/base/pool.h"
#include "plugin/pipeline/connection.h"
#include "plugin/pipeline/weights_memory.h"
#include "plugin/spool/spool.h"
#include "plugin/types/job_record.h"
#include "plugin/types/progress.h"

namespace hubrev {

// What a job needs from its worker. All of it is thread-safe and outlives the job.
struct JobContext {
  Spool* spool = nullptr;
  Connection* connection = nullptr;
  WeightsMemory* weights = nullptr;
  ThreadPool* files = nullptr;  // hashing and uploading; never the pool that calls run_job
  Clock* clock = nullptr;
  Log* log = nullptr;
  const std::vector<std::string>* environment = nullptr;  // of programs that a job starts
  // Commits that this spool has pushed, or begun to push, to the record's branch.
  std::function<std::vector<GitId>(const JobRecord&)> own_commits;
  // Called with the record after each stage; the worker publishes it to status().
  std::function<void(const JobRecord&)> on_change;
};

// Takes one frozen checkpoint all the way to a confirmed revision. Blocks; runs on a lane. Records
// each stage in the spool; on success the record is kDone and the snapshot is freed. On an error
// the record's state stays that of the stage that failed, and the snapshot stays.
Status run_job(JobRecord& record, const JobContext& context, Progress& progress,
               const std::stop_token& stop);

}  // namespace hubrev
