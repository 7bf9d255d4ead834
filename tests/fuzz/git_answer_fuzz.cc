// What stands between a server's bytes and libgit2: the looks over whole answers, and the text of
// the side-band. The first byte is where that text is cut in two.

#include <algorithm>

#include "plugin/git/advertisement.h"
#include "plugin/git/server_text.h"
#include "tests/fuzz/fuzz.h"

namespace hubrev::fuzz {
namespace {

void check(const Status& status) {
  if (status.ok()) return;
  require_shown(status.error().message);
  HUBREV_REQUIRE(
      status.error().kind == ErrorKind::kNetwork || status.error().kind == ErrorKind::kRejected,
      status.error().message);
}

}  // namespace

HUBREV_FUZZ(input) {
  if (input.empty()) return;
  const std::string_view body = input.substr(1);
  check(check_advertisement(body, GitService::kReceivePack));
  check(check_advertisement(body, GitService::kUploadPack));
  check(check_report(body));
  check(check_pack(body));

  const std::string shown = shown_text(body);
  require_shown(shown);
  HUBREV_REQUIRE(shown.size() <= body.size() && shown_text(shown) == shown, shown);

  ServerText whole;
  whole.append(body);
  ServerText split;
  const std::size_t cut = std::min<std::size_t>(static_cast<unsigned char>(input[0]), body.size());
  split.append(body.substr(0, cut));
  split.append(body.substr(cut));
  HUBREV_REQUIRE(whole.text() == split.text(), whole.text());
  require_shown(whole.text());
}

}  // namespace hubrev::fuzz
