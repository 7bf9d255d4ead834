// A push through libgit2, answered by the input: the section "refs" is the answer to info/refs,
// "report" that of receive-pack. "report band" holds lines of a report that are packed, and packed
// once more into the side-band.

#include "tests/fuzz/git_exchange.h"

namespace hubrev::fuzz {
namespace {

std::string report_of(const Sections& sections) {
  const std::string banded = section(sections, "report band");
  if (banded.empty()) return answer_in(sections, "report");
  const std::string text = section(sections, "text");
  return packet('\x01' + packets(banded)) + (text.empty() ? "" : packet('\x02' + text)) + "0000";
}

void check_outcome(const PushOutcome& outcome, const std::string& refs, const std::string& report,
                   const GitId& commit) {
  require_shown(outcome.server_text);
  if (outcome.result == PushResult::kAlreadyThere) {
    // Hexadecimal in either case.
    HUBREV_REQUIRE(outcome.previous == commit && refs.find(kRef) != std::string::npos, refs);
  } else {
    HUBREV_REQUIRE(report.find(std::string("ok ") + kRef) != std::string::npos, report);
  }
}

}  // namespace

HUBREV_FUZZ(input) {
  const Sections sections = sections_of(input);
  const std::string refs = answer_in(sections, "refs");
  const std::string report = report_of(sections);
  Client& client = Client::instance();
  Server server(refs, report, "receive-pack");
  PushRequest request;
  request.commit = client.commit;
  request.ref = kRef;
  const auto outcome = push(client.repository, server.remote, request, {});
  if (outcome.ok()) {
    check_outcome(*outcome, refs, report, client.commit);
  } else {
    require_shown(outcome.error().message);
    HUBREV_REQUIRE(outcome.error().kind != ErrorKind::kCancelled &&
                       outcome.error().kind != ErrorKind::kInternal,
                   outcome.error().message);
  }
}

}  // namespace hubrev::fuzz
