#pragma once
// The second stage of a job: checkpoint as the trainer wrote it -> revision as readers need it.

#include <string>
#include <vector>

#include "plugin/fixes/fix.h"

namespace hubrev {

struct FixedSnapshot {
  Snapshot snapshot;
  std::vector<FixReport> reports;  // one per fix, in the order they ran
  std::vector<std::string> warnings;
};

// Runs eos, use_cache and card. A changed file becomes an entry that holds its new bytes; nothing
// is written to disk, and applying the fixes to their own outcome changes nothing more. Reads up to
// a whole tokenizer.json, so it blocks: call it from the worker. Deterministic. Errors:
// kInvalidInput when config.json or generation_config.json is no JSON object, and whatever reading
// the frozen files gives (kIo, kCorrupt).
Result<FixedSnapshot> apply_fixes(Snapshot snapshot, const FixContext& context);

}  // namespace hubrev
