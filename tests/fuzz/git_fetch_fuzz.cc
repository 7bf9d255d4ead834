// Listing and fetching through libgit2, answered by the input: the section "refs" is the answer to
// info/refs, "pack" that of upload-pack.

#include "tests/fuzz/git_exchange.h"

namespace hubrev::fuzz {

HUBREV_FUZZ(input) {
  const Sections sections = sections_of(input);
  const std::string refs = answer_in(sections, "refs");
  Client& client = Client::instance();
  Server server(refs, answer_in(sections, "pack"), "upload-pack");
  const auto listed = list_refs(client.repository, server.remote, {});
  if (!listed.ok()) return require_shown(listed.error().message);
  for (const RemoteRef& ref : *listed) {
    HUBREV_REQUIRE(ref.name.starts_with("refs/") && refs.find(ref.name) != std::string::npos,
                   ref.name);
  }
  const Status fetched = fetch(client.repository, server.remote, {kRef}, {});
  if (!fetched.ok()) require_shown(fetched.error().message);
}

}  // namespace hubrev::fuzz
