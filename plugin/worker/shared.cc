// A spool that two processes share, mostly on two machines: one submits (Mode::kSpool), the other
// pushes (Mode::kSync). Each sees in the folder what the other has done.
#include <utility>

#include "plugin/worker/engine.h"

namespace hubrev {

// What earlier processes left is the pusher's; here it counts as names that are taken, and as room.
void Engine::remember_earlier(std::vector<JobRecord> records) {
  for (JobRecord& record : records) {
    jobs_.add(std::move(record), JobTable::Origin::kEarlierProcess);
  }
}

// How far the pusher is: what it has pushed makes room.
void Engine::refresh() {
  const std::lock_guard lock(seen_mutex_);
  for (const std::string& id : jobs_.unsettled_ids()) {
    const auto stamp = record_stamp(spool_.root(), id);
    if (!stamp || *stamp == seen_[id]) continue;
    const auto record = read_job(spool_.root(), id);
    if (!record.ok()) continue;
    seen_[id] = *stamp;
    jobs_.refresh(*record);
  }
}

// Whether the pusher was faster.
bool Engine::is_settled_on_disk(const std::string& id) const {
  const auto record = read_job(spool_.root(), id);
  return record.ok() && is_final(record->state) && record->state != JobState::kFailed;
}

std::vector<std::string> Engine::take_up_new() {
  std::vector<std::string> taken;
  const std::lock_guard lock(skipped_mutex_);
  const auto ids = list_jobs(spool_.root());
  if (!ids.ok()) return taken;
  for (const std::string& id : *ids) {
    std::optional<JobRecord> record = new_on_disk(id);
    if (!record) continue;
    taken.push_back(id);
    const bool has_successor = jobs_.has_successor(*record);
    const bool frozen = !record->frozen.empty();
    take_up(*record, has_successor);
    if (frozen && !has_successor) clean_up(jobs_.supersede(*record));
  }
  jobs_.retry_failed(system_clock().unix_ms() - settings_.retry_max_delay.count());
  pump();
  return taken;
}

// The record of a job that is not known here, or was skipped and is not any more.
std::optional<JobRecord> Engine::new_on_disk(const std::string& id) {
  const auto known = jobs_.state_of(id);
  if (known && known != JobState::kSkipped) return std::nullopt;
  auto record = read_job(spool_.root(), id);
  if (!record.ok() || record->state == known) return std::nullopt;
  return std::move(record).value();
}

}  // namespace hubrev
