// What a transfer agent says: once as the answer to the first message, once about an object.

#include "plugin/lfs/agent_messages.h"
#include "tests/fuzz/fuzz.h"

namespace hubrev::fuzz {
namespace {

// The agent's own errors have the kinds of HTTP's statuses; what is not understood is refused.
void check_error(const Error& error) {
  HUBREV_REQUIRE(error.kind != ErrorKind::kInternal && error.kind != ErrorKind::kConfig,
                 error.message);
  require_shown(error.message);
}

}  // namespace

HUBREV_FUZZ(input) {
  const Sha256 oid = *Sha256::from_hex(std::string(64, 'a'));
  if (const Status ready = parse_agent_ready(input); !ready.ok()) check_error(ready.error());
  const auto report = parse_agent_report(input, oid);
  if (!report.ok()) return require_error(report.error(), ErrorKind::kRejected);
  HUBREV_REQUIRE(report->complete || !report->error, "an error before the end");
  if (report->error) check_error(*report->error);
}

}  // namespace hubrev::fuzz
