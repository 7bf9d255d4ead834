#pragma once
// The durable record of one job: what is needed to finish it in another process, and what a person
// wants to know about it. Stored as JSON in the spool. Never holds a token.

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugin/base/result.h"
#include "plugin/types/snapshot.h"

namespace hubrev {

// Ordered as a job passes through them; the last five are final.
enum class JobState {
  kSkipped,    // not frozen for want of room; is when there is room, if the checkpoint still exists
  kQueued,     // frozen and recorded, waiting for a lane
  kFixing,     // completeness check, fixes, shards, plan
  kUploading,  // hash, LFS batch, PUT, verify
  kPushing,    // commit and push
  kConfirming,  // asking the server what the branch points to
  kDone,
  kFailed,
  kCancelled,
  kSuperseded,  // a later save of the same revision took its place
  kDropped,     // gave way to a newer checkpoint for want of room
};

std::string_view to_string(JobState state);
std::optional<JobState> job_state_from_string(std::string_view name);
bool is_final(JobState state);

// What one fix did.
enum class FixOutcome { kApplied, kUnchanged, kSkipped };
struct FixReport {
  std::string name;  // "eos", "use_cache", "card", "contents", "shards"
  FixOutcome outcome = FixOutcome::kUnchanged;
  std::string detail;              // one sentence: what changed, or why not
  std::vector<std::string> files;  // paths in the revision that were changed
};

// Effective settings, and how a record's text says them. Many records have the same, and training
// waits for copies and for text.
struct RecordedSettings {
  nlohmann::json values;  // an object
  std::string text;
};
using SharedSettings = std::shared_ptr<const RecordedSettings>;
SharedSettings share_settings(nlohmann::json values);

struct JobRecord {
  std::string id;          // unique in the spool and sortable by creation
  std::string revision;    // branch name
  std::string directory;   // the checkpoint's absolute path when it was frozen
  std::string from_spool;  // the same, relative to the spool: other machines mount it elsewhere
  std::optional<std::int64_t>
      saved_ns;  // when it was saved, by which one save is told from another
  std::optional<std::int64_t> step;
  std::optional<double> epoch;
  std::optional<std::int64_t> tokens;        // seen by then: the Trainer's num_input_tokens_seen
  std::map<std::string, double> metrics;     // of this step, e.g. eval_loss
  std::optional<std::int64_t> eos_token_id;  // the live tokenizer's, where there was one
  std::int64_t created_ms = 0;               // unix milliseconds; the commit's time
  SharedSettings settings = share_settings(nlohmann::json::object());  // at the submit; never null
  std::vector<FrozenFile> frozen;
  std::vector<std::string> excluded;  // left out by `contents`, paths in the checkpoint
  // The checkpoint's folder when it was skipped: only that very folder is frozen later.
  std::optional<FileStamp> skipped_folder;
  // The revision's name ends in "-<suffix>" because the name itself was taken; 0: it does not.
  int suffix = 0;

  JobState state = JobState::kQueued;
  std::optional<Error> error;  // of the last attempt
  std::vector<FixReport> fixes;
  std::vector<std::string> warnings;
  std::string repo_id;              // with its namespace, once the server was asked
  std::string commit;               // hexadecimal id, once made
  std::int64_t updated_ms = 0;      // last change of this record
  double freeze_ms = 0;             // milliseconds that the caller of submit() waited
  double push_seconds = 0;          // from leaving the queue to confirmed
  std::uint64_t bytes_total = 0;    // of all files of the revision
  std::uint64_t bytes_sent = 0;     // LFS bodies
  std::uint64_t bytes_present = 0;  // LFS objects that the server already had
  int attempts = 0;                 // times a worker took it up
};

// JSON that a person can read, with a line feed at its end. It may quote bytes that are no UTF-8 (a
// server's message, a folder's name); they are replaced rather than refused.
std::string to_text(const JobRecord& record);
// Without its settings and the list of what is frozen, which are what makes a record large.
nlohmann::json summary_to_json(const JobRecord& record);
// kCorrupt with what is wrong when the text is no such record.
Result<JobRecord> job_record_from_json(std::string_view text);

}  // namespace hubrev
