// Checkpoints that could not be frozen for want of room, and are when there is room again, as long
// as the trainer keeps them.
#include <utility>

#include "plugin/worker/engine.h"

namespace hubrev {

// A disk that was too full for a snapshot may have been too full for a record as well.
void Engine::store_late() {
  std::set<std::string> ids;
  {
    const std::lock_guard lock(later_mutex_);
    ids = unstored_;
  }
  for (const std::string& id : ids) {
    const auto view = jobs_.view(id);
    if (!view || !store(view->record).ok()) continue;
    sync_soon(id);
    const std::lock_guard lock(later_mutex_);
    unstored_.erase(id);
  }
}

bool Engine::is_stored(const std::string& id) {
  const std::lock_guard lock(later_mutex_);
  return !unstored_.contains(id);
}

void Engine::freeze_skipped() {
  const std::lock_guard lock(skipped_mutex_);
  if (stop_.stop_requested()) return;
  store_late();
  const std::vector<JobRecord> skipped = jobs_.skipped();
  if (skipped.empty()) return;
  // A training that only spools looks after them itself.
  const auto right = spool_.borrow(SpoolRight::kSubmit);
  if (!right) return;
  for (JobRecord record : skipped) {
    const auto room_left = room();
    if (!room_left.ok() || !is_stored(record.id)) return;
    if (settings_.mode != Mode::kPush && !still_skipped(record.id)) continue;
    const Status status = freeze_again(record, *room_left);
    // It is skipped still: for want of room, or of time before the end.
    if (!status.ok() && (status.error().kind == ErrorKind::kNoSpace ||
                         status.error().kind == ErrorKind::kCancelled)) {
      return;
    }
    settle_skipped(std::move(record), status);
  }
}

// Who has the other right may have frozen or ended it.
bool Engine::still_skipped(const std::string& id) const {
  const auto record = read_job(spool_.root(), id);
  return record.ok() && record->state == JobState::kSkipped;
}

Status Engine::freeze_again(JobRecord& record, std::uint64_t max_copied_bytes) {
  const std::string checkpoint = checkpoint_of(spool_.root(), record);
  const auto folder = folder_stamp(checkpoint);
  if (!folder || folder != record.skipped_folder) {
    return make_error(ErrorKind::kInvalidInput,
                      record.directory + " was " + (folder ? "saved again" : "removed") +
                          " before there was room to freeze it (" +
                          (record.error ? record.error->message : "") + ")");
  }
  HUBREV_TRY(const Settings own, parse_settings(record.settings->values));
  (void)spool_.free_snapshot(record.id);  // of an attempt that was killed
  Status status = freeze_into({checkpoint, spool_.files_directory(record.id), own.selection,
                               max_copied_bytes, stop_.get_token()},
                              spool_.card_path(record.id), record);
  if (!status.ok()) {
    record.frozen.clear();
    (void)spool_.free_snapshot(record.id);
  }
  return status;
}

// The record is written before the table knows, so that no lane writes it at the same time.
void Engine::settle_skipped(JobRecord record, const Status& frozen) {
  record.updated_ms = system_clock().unix_ms();
  record.skipped_folder.reset();
  record.state = frozen.ok() ? JobState::kQueued : JobState::kFailed;
  record.error.reset();
  if (!frozen.ok()) {
    record.error = frozen.error();
    log_.write(LogLevel::kError, record.revision + ": " + record.error->message);
  }
  save(record);
  sync_soon(record.id);
  if (!jobs_.settle_skipped(record)) {  // cancelled or superseded meanwhile
    if (const auto ended = jobs_.view(record.id)) clean_up({ended->record});
    return;
  }
  if (!frozen.ok()) return;
  log_.write(LogLevel::kInfo, record.revision + ": frozen, since there is room again");
  clean_up(jobs_.supersede(record));
  pump();
}

}  // namespace hubrev
