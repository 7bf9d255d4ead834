#pragma once
// What a fix is: a pure function from a snapshot to the entries it wants replaced.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "plugin/base/result.h"
#include "plugin/types/job_record.h"
#include "plugin/types/settings.h"
#include "plugin/types/snapshot.h"

namespace hubrev {

// Everything a fix may look at besides the snapshot.
struct FixContext {
  EosPolicy eos = EosPolicy::kAlign;
  UseCachePolicy use_cache = UseCachePolicy::kRestore;
  CardPolicy card = CardPolicy::kComplete;
  std::optional<std::int64_t> eos_token_id;  // the live tokenizer's
  std::string repo_id;                       // where the revision goes
  std::string revision;                      // its branch
  std::string endpoint;                      // no trailing slash
  std::string page;                          // where a person looks at the revision
  std::string clone_url;                     // git's, where from_pretrained() cannot load from it
  std::optional<std::int64_t> step;
  std::optional<double> epoch;
  std::optional<std::int64_t> tokens;
  std::map<std::string, double> metrics;  // of this step
  std::vector<std::string> tags;
  std::vector<std::string> datasets;
  std::string base_model;                   // "" to read it from the checkpoint
  std::string license;                      // "" to leave it out
  std::string system_prompt;                // "" to leave it out
  std::optional<std::string> trainer_card;  // bytes of <output_dir>/README.md, frozen at submit
};

// What one fix wants: `entries` replace those of the same path, or are added.
struct FixEdit {
  FixOutcome outcome = FixOutcome::kUnchanged;
  std::string detail;  // one sentence: what changed, or why not
  std::vector<Entry> entries;
  std::vector<std::string> warnings;
};

// Reads files of the snapshot (may block on disk), writes nothing, keeps no state.
using Fix = Result<FixEdit> (*)(const Snapshot& snapshot, const FixContext& context);

// Generation stops at the tokenizer's EOS id: generation_config.json, or without one config.json
// and its text_config. kInvalidInput when the file to edit is not a JSON object.
Result<FixEdit> fix_eos(const Snapshot& snapshot, const FixContext& context);

// "use_cache": false, which training leaves behind, becomes true in config.json, its nested
// configurations and generation_config.json. kInvalidInput as above.
Result<FixEdit> fix_use_cache(const Snapshot& snapshot, const FixContext& context);

// README.md with front matter that the Hub accepts. Only a failure to read the file is an error; a
// card that cannot be completed is replaced by a minimal one, with a warning.
Result<FixEdit> fix_card(const Snapshot& snapshot, const FixContext& context);

// README.md from scratch, without anything that a person wrote: for a server that refuses the one
// that fix_card() made. Errors as fix_card().
Result<Entry> minimal_card(const Snapshot& snapshot, const FixContext& context);

}  // namespace hubrev
