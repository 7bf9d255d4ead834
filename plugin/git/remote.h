#pragma once
// What is done with a remote repository: list its refs, fetch, push, delete refs. Smart HTTP,
// protocol version 0 (git's Documentation/gitprotocol-http and gitprotocol-pack), over the caller's
// HttpClient; a file:// URL is a bare repository in a folder, reached directly.
//
// All calls block, belong to the Repository's thread, repeat as a whole under Remote::retry, and
// touch the remote no more once `stop` is requested (kCancelled).

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "plugin/base/ids.h"
#include "plugin/base/result.h"
#include "plugin/git/repository.h"
#include "plugin/net/http.h"
#include "plugin/net/retry.h"

namespace hubrev {

struct Remote {
  std::string url;        // of the repository, e.g. repository_url(target)
  Credential credential;  // sent with every request, without waiting for a 401; none when empty
  HttpClient* http = nullptr;
  RetryContext retry;
};

// Whether the repository is there and the credential lets one push to it: kNotFound or kAuth with
// the remedy. Asks the server; a hook or a rule for one branch may still refuse.
Status check_push_access(const Remote& remote, const std::stop_token& stop);

// What the remote tells who wants to push (git's "ref advertisement"), of what matters to that one
// ref: spares a push to it its own question. "" of a folder, which is not asked. Any thread.
Result<std::string> advertise(const Remote& remote, const std::string& ref,
                              const std::stop_token& stop);

struct RemoteRef {
  std::string name;  // full: "refs/heads/x"
  GitId id;
};

// All refs that a reader sees, in the server's order; without HEAD and without peeled tags.
Result<std::vector<RemoteRef>> list_refs(Repository& repository, const Remote& remote,
                                         const std::stop_token& stop);

// Brings the commits that the full ref names point to into the repository, with their history.
// Only the objects count: the local names they are kept under are private to this layer. Objects
// already here are not sent again. kNotFound names a ref that the remote does not have.
Status fetch(Repository& repository, const Remote& remote, const std::vector<std::string>& refs,
             const std::stop_token& stop);

enum class PushResult { kPushed, kAlreadyThere };

// What becomes of another commit that the ref holds.
enum class RefPolicy {
  kReplace,    // whatever it is
  kReplaceOwn  // if it is one of PushRequest::own; else kConflict
};

struct PushRequest {
  GitId commit;     // in the repository, with everything it refers to
  std::string ref;  // full: "refs/heads/x"
  // Compare-and-swap: the ref must still be this, else kConflict. `policy` does not matter then.
  std::optional<GitId> expected;
  RefPolicy policy = RefPolicy::kReplace;
  std::vector<GitId> own;  // commits that the caller has pushed to this ref before
  // Of the ref, by advertise(), for the first attempt; "" to ask now. It may be old: a ref that has
  // moved since then is kConflict, and what ends the push without a word to the server is asked for
  // again.
  std::string advertisement = {};
};

struct PushOutcome {
  PushResult result = PushResult::kPushed;
  std::optional<GitId> previous;  // what the ref held before; absent when it did not exist
  std::string server_text;        // what the server's hooks wrote, as UTF-8; "" when nothing
};

// Makes the remote ref point to the commit. A push whose answer was lost is looked up, not blindly
// repeated: where the ref already is the commit, the outcome is kAlreadyThere and nothing is sent.
// The value read from the remote is also what the server compares with, so a ref that moves in
// between is never overwritten (kConflict). kRejected carries what the server's hooks said; kAuth
// when the token may not write; kConfig when another ref's name leaves no room for this one.
Result<PushOutcome> push(Repository& repository, const Remote& remote, const PushRequest& request,
                         const std::stop_token& stop);

struct RefDeletion {
  std::string ref;  // full: "refs/heads/x"
  GitId expected;   // compare-and-swap: the ref must still be this, else kConflict
};

enum class DeleteResult { kDeleted, kAlreadyGone };

// Removes remote refs, many in one push, and says for each in order what became of it: kConflict
// and kRejected are about that one only. The server compares too, so a ref that moves in between is
// never removed. An Error of the whole is as of push(); some refs may be gone by then, and another
// call finds them kAlreadyGone.
Result<std::vector<Result<DeleteResult>>> delete_refs(Repository& repository, const Remote& remote,
                                                      const std::vector<RefDeletion>& deletions,
                                                      const std::stop_token& stop);

}  // namespace hubrev
