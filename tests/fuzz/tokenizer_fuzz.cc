// A tokenizer's files, as sections.

#include "plugin/fixes/tokenizer_eos.h"
#include "tests/fuzz/fuzz.h"

namespace hubrev::fuzz {

HUBREV_FUZZ(input) {
  const auto eos = find_tokenizer_eos(snapshot_of(sections_of(input)));
  HUBREV_REQUIRE(eos.ok(), eos.error().message);  // reading memory cannot fail
  require_shown(eos->reason);
  for (const std::string& conflict : eos->conflicts) require_shown(conflict);
  HUBREV_REQUIRE(eos->id.has_value() == eos->reason.empty(), eos->reason);
  HUBREV_REQUIRE(eos->id.has_value() != eos->source.empty(), eos->source);
  HUBREV_REQUIRE(eos->id.has_value() || eos->conflicts.empty(), "a conflict without an id");
}

}  // namespace hubrev::fuzz
