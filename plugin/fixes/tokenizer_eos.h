#pragma once
// The tokenizer's EOS id, from the files that save_pretrained writes (transformers 4 and 5).

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "plugin/base/result.h"
#include "plugin/types/snapshot.h"

namespace hubrev {

struct TokenizerEos {
  std::optional<std::int64_t> id;
  std::string source;                  // the file that gave the id
  std::string reason;                  // why there is no id
  std::vector<std::string> conflicts;  // files that contradict each other, one sentence each
};

// Never guesses: what the files do not say is unknown. A file that cannot be understood is passed
// over and named in `reason`; errors are those of reading (kIo, kCorrupt).
Result<TokenizerEos> find_tokenizer_eos(const Snapshot& snapshot);

}  // namespace hubrev
