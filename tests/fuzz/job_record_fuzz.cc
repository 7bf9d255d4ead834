// A job's record as the spool may hold it after a crash, or after somebody edited it.

#include <nlohmann/json.hpp>

#include "plugin/types/job_record.h"
#include "tests/fuzz/fuzz.h"

namespace hubrev::fuzz {
HUBREV_FUZZ(input) {
  const auto record = job_record_from_json(input);
  if (!record.ok()) return require_error(record.error(), ErrorKind::kCorrupt);
  const std::string text = to_text(*record);
  const auto again = job_record_from_json(text);
  HUBREV_REQUIRE(again.ok(), again.error().message);
  HUBREV_REQUIRE(to_text(*again) == text, text);
  // What was read is what was meant: no number became another one on the way.
  const nlohmann::json before = nlohmann::json::parse(input, nullptr, false);
  const nlohmann::json after = nlohmann::json::parse(text);
  for (const char* key :
       {"step", "epoch", "eos_token_id", "created_ms", "updated_ms", "bytes_total", "bytes_sent",
        "bytes_present", "attempts", "freeze_ms", "push_seconds"}) {
    const auto at = before.find(key);
    HUBREV_REQUIRE(at == before.end() || *at == after.at(key), text);
  }
}

}  // namespace hubrev::fuzz
