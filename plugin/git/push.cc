#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "plugin/git/exchange.h"
#include "plugin/git/git_error.h"
#include "plugin/git/git_handles.h"
#include "plugin/git/local_remote.h"
#include "plugin/git/ref_update.h"
#include "plugin/git/remote.h"
#include "plugin/git/subtransport.h"

namespace hubrev {
namespace {

// libgit2 pushes local refs only. One fixed name: names taken from branches could clash ("a" with
// "a/b") in a repository that is used again.
constexpr const char* kLocalRef = "refs/hubrev/push";

// One attempt at a push, and what libgit2's callbacks learnt during it.
class PushAttempt final : public Exchange {
 public:
  // `request` and `parents`, of its commit, outlive it.
  PushAttempt(const Repository& repository, const Remote& remote, const PushRequest& request,
              const std::set<GitId>& parents, const std::stop_token& stop)
      : Exchange(repository, remote, stop, "pushing to"), request_(request), parents_(parents) {}

  // The remote's refs are known, nothing is sent yet. An Error ends the push.
  Status negotiate(const git_push_update& update) {
    const GitId current = to_id(update.src);
    if (current != GitId()) previous_ = current;
    if (previous_ == request_.commit) {
      already_there_ = true;  // outcome() looks at this before it looks at any Error
      return make_error(ErrorKind::kConflict, "nothing to push");
    }
    if (cancelled()) return make_error(ErrorKind::kCancelled, "cancelled");
    if (!taken_by_.empty()) return name_taken(request_.ref, taken_by_);
    return check_replaceable(request_, previous_);
  }

  // A ref that the remote has, before negotiate(). Whether libgit2 gets to see it.
  bool see(std::string_view ref, const GitId& id) {
    if (exclude_each_other(ref, request_.ref)) taken_by_ = ref;
    return ref == request_.ref || parents_.contains(id);
  }

  void report(std::string_view ref, const char* status) {
    if (ref != request_.ref) return;
    reported_ = true;
    if (status != nullptr) refusal_ = refusal_text(status);
  }

  // What it all comes to; `code` is git_remote_push's, just returned.
  Result<PushOutcome> outcome(int code) const {
    if (already_there_) {
      return PushOutcome{PushResult::kAlreadyThere, previous_, server_text.text()};
    }
    if (code < 0) {
      Error reason = error(code);
      // The pack was refused as a whole, before any ref was looked at.
      if (answered() && reason.kind == ErrorKind::kNetwork) return refused(reason.message);
      return reason;
    }
    if (!reported_) {
      return make_error(ErrorKind::kNetwork,
                        doing + ": the server did not say whether it took " + request_.ref);
    }
    if (!refusal_.empty()) return refused(refusal_);
    return PushOutcome{PushResult::kPushed, previous_, server_text.text()};
  }

 private:
  Error refused(const std::string& status) const {
    return ref_refused(request_.ref, status, server_text.text());
  }

  const PushRequest& request_;
  const std::set<GitId>& parents_;
  std::string taken_by_;  // a ref whose name excludes ours; "" when there is none
  std::optional<GitId> previous_;
  bool already_there_ = false;
  bool reported_ = false;  // the server spoke about our ref
  std::string refusal_;    // why not; "" when it took it
};

// The payload is the Exchange's address (callbacks_over).
PushAttempt& attempt_of(void* payload) {
  return *static_cast<PushAttempt*>(static_cast<Exchange*>(payload));
}

int on_negotiation(const git_push_update** updates, size_t count, void* payload) noexcept {
  PushAttempt& attempt = attempt_of(payload);
  return attempt.guard([&]() -> Status {
    if (count != 1) return make_error(ErrorKind::kInternal, "one ref was to be pushed");
    return attempt.negotiate(*updates[0]);
  });
}

int on_report(const char* ref, const char* status, void* payload) noexcept {
  PushAttempt& attempt = attempt_of(payload);
  return attempt.guard([&]() -> Status {
    attempt.report(ref, status);
    return {};
  });
}

Result<PushOutcome> push_once(Repository& repository, const Remote& remote,
                              const PushRequest& request, const std::set<GitId>& parents,
                              std::string advertisement, const std::stop_token& stop) {
  PushAttempt attempt(repository, remote, request, parents, stop);
  attempt.advertisement = std::move(advertisement);
  attempt.wanted_refs = [&](std::string_view ref, const GitId& id) { return attempt.see(ref, id); };
  RemoteHandle handle;
  HUBREV_CHECK(make_remote(out(handle), repository, remote, attempt));

  auto options = git_options<git_push_options_init, GIT_PUSH_OPTIONS_VERSION>();
  options.callbacks = callbacks_over(attempt);
  options.callbacks.push_negotiation = on_negotiation;
  options.callbacks.push_update_reference = on_report;
  options.follow_redirects = GIT_REMOTE_REDIRECT_NONE;
  // '+' because libgit2 would otherwise want the remote's old commit here; what may be replaced is
  // decided in negotiate(), and the server compares with the value seen there.
  std::string refspec = std::string("+") + kLocalRef + ":" + request.ref;
  char* pointer = refspec.data();
  const git_strarray array{&pointer, 1};
  const int code = git_remote_push(handle.get(), &array, &options);
  return attempt.outcome(code);
}

// The parents of the commit to be pushed, which gets a local name.
Result<std::set<GitId>> prepare(Repository& repository, const PushRequest& request) {
  HUBREV_CHECK(check_ref_name(request.ref));
  const git_oid oid = to_oid(request.commit);
  CommitHandle commit;
  HUBREV_CHECK(git_check(git_commit_lookup(out(commit), repository.handle(), &oid),
                         "looking for commit " + request.commit.hex()));
  ReferenceHandle reference;
  HUBREV_CHECK(git_check(git_reference_create(out(reference), repository.handle(), kLocalRef, &oid,
                                              /*force=*/1, nullptr),
                         "naming commit " + request.commit.hex()));
  std::set<GitId> parents;
  for (unsigned i = 0; i < git_commit_parentcount(commit.get()); ++i) {
    parents.insert(to_id(*git_commit_parent_id(commit.get(), i)));
  }
  return parents;
}

}  // namespace

Result<PushOutcome> push(Repository& repository, const Remote& remote, const PushRequest& request,
                         const std::stop_token& stop) {
  HUBREV_TRY(const std::set<GitId> parents, prepare(repository, request));
  std::string advertisement = request.advertisement;
  return with_retry(remote.retry, stop, [&]() -> Result<PushOutcome> {
    if (is_local(remote)) return push_local(repository, remote, request);
    const bool told = !advertisement.empty();
    auto outcome =
        push_once(repository, remote, request, parents, std::exchange(advertisement, {}), stop);
    // Nothing was sent, so no server has compared: it may be somewhere else by now, and a name that
    // was taken may be free.
    const bool believed = told && (outcome.ok() ? outcome->result == PushResult::kAlreadyThere
                                                : outcome.error().kind == ErrorKind::kConfig);
    return believed ? push_once(repository, remote, request, parents, {}, stop)
                    : std::move(outcome);
  });
}

}  // namespace hubrev
