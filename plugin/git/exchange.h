#pragma once
// One attempt at talking to a remote: what libgit2's callbacks share. Internal to this layer.

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include "plugin/git/advertisement.h"
#include "plugin/git/remote.h"
#include "plugin/git/server_text.h"

namespace hubrev {

// GET info/refs.
HttpRequest refs_request(const Remote& remote, GitService service);
// Its answer, checked. Blocks. `doing` as of an Exchange.
Result<std::string> read_refs(const Remote& remote, GitService service, const std::string& doing,
                              const std::stop_token& stop);

// libgit2 holds its address for the whole attempt, so it is neither copied nor moved, and outlives
// the git_remote. One thread. `remote` outlives it.
class Exchange {
 public:
  // `doing` names the attempt in messages: "pushing to https://hub.example/a/b".
  Exchange(const Repository& repository, const Remote& remote, std::stop_token stop,
           std::string_view doing);
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  const std::string& folder() const { return folder_; }
  bool cancelled() const { return stop_.stop_requested(); }
  // A whole, well-formed answer to a POST was received: what libgit2 still objects to is what the
  // server said, not how it arrived.
  bool answered() const { return answered_; }

  // What the remote tells of its refs: `advertisement`, the first time, or else a new one. Blocks.
  Result<std::string> read_refs(GitService service);
  // POST to the service, checked. Blocks.
  Result<std::string> call(GitService service, const Source& body);

  // libgit2 passes on no more than a number, so a callback leaves its Error here and returns the
  // result (GIT_EUSER). The first one counts.
  int fail(Error error) noexcept;
  // For the callbacks themselves: runs `body`, which returns a Status, and lets nothing unwind
  // through C. 0 or fail()'s result.
  template <typename Body>
  int guard(Body&& body) noexcept {
    try {
      Status status = body();
      return status.ok() ? 0 : fail(std::move(status).error());
    } catch (...) {
      return fail(make_error(ErrorKind::kInternal, "an exception in a git callback"));
    }
  }
  // The reason why a libgit2 call returned `code` < 0: the Error left by a callback, the
  // cancellation, or libgit2's own words. At once and on the same thread, as git_error().
  Error error(int code) const;

  ServerText server_text;
  const std::string doing;
  // Which of the remote's refs libgit2 gets to see; empty: all. A push looks on disk for the commit
  // of each that it sees.
  std::function<bool(std::string_view ref, const GitId& id)> wanted_refs;
  std::string advertisement;  // asked for already; "" when it is not

 private:
  const Remote& remote_;
  const std::stop_token stop_;
  std::string folder_;
  std::optional<Error> failure_;
  bool answered_ = false;
};

}  // namespace hubrev
