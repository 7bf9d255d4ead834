// What becomes of the jobs that an earlier process, or another one, left in the spool.
#include <filesystem>
#include <map>
#include <utility>

#include "plugin/worker/engine.h"

namespace hubrev {
namespace {

// Who gets the token.
std::string servers_of(const Settings& settings) {
  return settings.endpoint + (settings.lfs_url.empty() ? "" : " and " + settings.lfs_url);
}

bool folder_exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

}  // namespace

void Engine::take_up_all(std::vector<JobRecord> records) {
  std::map<std::string, std::string> newest;  // branch -> id of its last frozen job
  for (const JobRecord& record : records) {
    if (!record.frozen.empty()) newest[JobTable::branch_key(record)] = record.id;
  }
  for (JobRecord& record : records) {
    const auto last = newest.find(JobTable::branch_key(record));
    const bool has_successor = last != newest.end() && last->second > record.id;
    take_up(std::move(record), has_successor);
  }
}

// Decides what becomes of a record that an earlier process left.
void Engine::take_up(JobRecord record, bool has_successor) {
  const bool frozen = folder_exists(spool_.files_directory(record.id));
  const bool unfinished = !is_final(record.state) || record.state == JobState::kFailed;
  const auto fail = [&](Error error) {
    record.state = JobState::kFailed;
    record.error = std::move(error);
    record.updated_ms = system_clock().unix_ms();
    log_.write(LogLevel::kError, record.revision + ": " + record.error->message);
    save(record);
  };
  if (!unfinished) {
    if (frozen) (void)spool_.free_snapshot(record.id);  // killed before the clean-up
  } else if (has_successor || cancel_requested(spool_.root(), record.id)) {
    record.state = has_successor ? JobState::kSuperseded : JobState::kCancelled;
    clean_up({record});
  } else if (!frozen && record.state == JobState::kConfirming) {
    // The server had taken it, and a full disk kept its end from being recorded.
    record.state = JobState::kDone;
    record.updated_ms = system_clock().unix_ms();
    save(record);
  } else if (!frozen && record.state != JobState::kSkipped) {
    if (record.state != JobState::kFailed) {
      fail(make_error(ErrorKind::kCorrupt,
                      "its snapshot is missing from the spool; publish the checkpoint again"));
    }
  } else {
    if (!endpoint_override_.empty()) {
      nlohmann::json moved = record.settings->values;
      moved["endpoint"] = endpoint_override_;
      record.settings = share_settings(std::move(moved));
    }
    const auto meant = parse_settings(record.settings->values);
    if (!meant.ok()) {
      fail(meant.error());
    } else if (servers_of(*meant) != servers_of(settings_)) {
      // This process's token was not given for those hosts.
      fail(make_error(ErrorKind::kConfig, "it was meant for " + servers_of(*meant) + ", not for " +
                                              servers_of(settings_) +
                                              "; to push it there: hub-revisions sync " +
                                              output_dir_ + " --endpoint " + meant->endpoint));
    } else if (record.state != JobState::kSkipped) {
      record.state = JobState::kQueued;
      log_.write(LogLevel::kInfo, record.revision + ": taken up again");
    }
  }
  jobs_.add(std::move(record), JobTable::Origin::kEarlierProcess);
}

}  // namespace hubrev
