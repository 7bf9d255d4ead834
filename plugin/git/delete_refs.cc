#include <algorithm>
#include <optional>
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

// In one push: a server's hooks look at each.
constexpr std::size_t kAtOnce = 100;

// One ref on its way out.
struct Removal {
  RefDeletion deletion;
  std::optional<Result<DeleteResult>> result;  // absent until it is settled
  bool disputed = false;                       // the server said once that it had moved
  bool alone = false;                          // to be sent in a push of its own
  std::optional<std::string> status;           // the server's, of this attempt; "" when it is gone
};

using Group = std::vector<Removal*>;

// One attempt at a push of deletions, and what libgit2's callbacks learnt during it.
class DeleteAttempt final : public Exchange {
 public:
  DeleteAttempt(const Repository& repository, const Remote& remote, Group group,
                const std::stop_token& stop)
      : Exchange(repository, remote, stop, "deleting in"), group_(std::move(group)) {
    for (Removal* one : group_) one->status.reset();
  }

  // The remote's refs are known, nothing is sent yet. What there is no need or no right to delete
  // is settled here; the others are then left to another attempt.
  Status negotiate(const git_push_update& update) {
    Removal* one = find(update.dst_refname);
    if (one == nullptr) return make_error(ErrorKind::kInternal, "a ref nobody asked to delete");
    const GitId current = to_id(update.src);
    if (current == one->deletion.expected) return {};
    settled_ = true;
    if (current == GitId()) {
      one->result = DeleteResult::kAlreadyGone;
    } else {
      one->result = moved_before_deletion(one->deletion, current);
    }
    return {};
  }

  // Whether to send what was negotiated.
  Status begin() const {
    if (cancelled()) return make_error(ErrorKind::kCancelled, "cancelled");
    if (settled_) return make_error(ErrorKind::kConflict, "not all are to be deleted");
    return {};
  }

  void report(std::string_view ref, const char* status) {
    Removal* one = find(ref);
    if (one != nullptr) one->status = status == nullptr ? "" : refusal_text(status);
  }

  // Settles what the server reported. `code` is git_remote_push's, just returned.
  Status conclude(int code) {
    if (settled_) return {};
    if (code < 0) return error(code);
    for (Removal* one : group_) {
      if (!one->status) {
        return make_error(
            ErrorKind::kNetwork,
            doing + ": the server did not say whether it deleted " + one->deletion.ref);
      }
    }
    for (Removal* one : group_) settle(*one);
    return {};
  }

 private:
  Removal* find(std::string_view ref) const {
    const auto at = std::find_if(group_.begin(), group_.end(),
                                 [&](const Removal* one) { return one->deletion.ref == ref; });
    return at == group_.end() ? nullptr : *at;
  }

  void settle(Removal& one) const {
    if (one.status->empty()) {
      one.result = DeleteResult::kDeleted;
      return;
    }
    Error refusal = ref_refused(one.deletion.ref, *one.status, server_text.text());
    if (refusal.kind == ErrorKind::kConflict && !one.disputed) {
      // What changed it under the server's hands may have been our own earlier attempt, whose
      // answer was lost. Another look tells.
      one.disputed = true;
    } else if (one.status->find("pre-receive hook declined") != std::string::npos &&
               group_.size() > 1) {
      one.alone = true;  // this hook refuses all for the sake of one
    } else {
      one.result = std::move(refusal);
    }
  }

  const Group group_;
  bool settled_ = false;  // before anything was sent
};

// The payload is the Exchange's address (callbacks_over).
DeleteAttempt& attempt_of(void* payload) {
  return *static_cast<DeleteAttempt*>(static_cast<Exchange*>(payload));
}

int on_negotiation(const git_push_update** updates, size_t count, void* payload) noexcept {
  DeleteAttempt& attempt = attempt_of(payload);
  return attempt.guard([&]() -> Status {
    for (size_t i = 0; i < count; ++i) HUBREV_CHECK(attempt.negotiate(*updates[i]));
    return attempt.begin();
  });
}

int on_report(const char* ref, const char* status, void* payload) noexcept {
  DeleteAttempt& attempt = attempt_of(payload);
  return attempt.guard([&]() -> Status {
    attempt.report(ref, status);
    return {};
  });
}

// What the next push is about; empty when all is settled.
Group next_group(std::vector<Removal>& removals) {
  Group group;
  Removal* alone = nullptr;
  for (Removal& one : removals) {
    if (one.result) continue;
    if (one.alone) {
      if (alone == nullptr) alone = &one;
    } else if (group.size() < kAtOnce) {
      group.push_back(&one);
    }
  }
  if (group.empty() && alone != nullptr) group.push_back(alone);
  return group;
}

Status delete_once(Repository& repository, const Remote& remote, const Group& group,
                   const std::stop_token& stop) {
  DeleteAttempt attempt(repository, remote, group, stop);
  RemoteHandle handle;
  HUBREV_CHECK(make_remote(out(handle), repository, remote, attempt));

  auto options = git_options<git_push_options_init, GIT_PUSH_OPTIONS_VERSION>();
  options.callbacks = callbacks_over(attempt);
  options.callbacks.push_negotiation = on_negotiation;
  options.callbacks.push_update_reference = on_report;
  options.follow_redirects = GIT_REMOTE_REDIRECT_NONE;
  std::vector<std::string> refspecs;
  std::transform(group.begin(), group.end(), std::back_inserter(refspecs),
                 [](const Removal* one) { return ":" + one->deletion.ref; });
  std::vector<char*> pointers;
  pointers.reserve(refspecs.size());
  for (std::string& refspec : refspecs) pointers.push_back(refspec.data());
  const git_strarray array{pointers.data(), pointers.size()};
  const int code = git_remote_push(handle.get(), &array, &options);
  return attempt.conclude(code);
}

Result<std::vector<Result<DeleteResult>>> delete_one_by_one(
    const Remote& remote, const std::vector<RefDeletion>& deletions, const std::stop_token& stop) {
  std::vector<Result<DeleteResult>> results;
  for (const RefDeletion& deletion : deletions) {
    auto result =
        with_retry(remote.retry, stop, [&] { return delete_local_ref(remote, deletion); });
    if (!result.ok() && result.error().kind != ErrorKind::kConflict) return result.error();
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace

Result<std::vector<Result<DeleteResult>>> delete_refs(Repository& repository, const Remote& remote,
                                                      const std::vector<RefDeletion>& deletions,
                                                      const std::stop_token& stop) {
  std::vector<Removal> removals;
  for (const RefDeletion& deletion : deletions) {
    HUBREV_CHECK(check_ref_name(deletion.ref));
    removals.push_back({deletion, std::nullopt, false, false, std::nullopt});
  }
  if (is_local(remote)) return delete_one_by_one(remote, deletions, stop);
  // Each round settles at least one, or sets one's mark, which is done once.
  for (Group group; !(group = next_group(removals)).empty();) {
    HUBREV_CHECK(with_retry(remote.retry, stop,
                            [&] { return delete_once(repository, remote, group, stop); }));
  }
  std::vector<Result<DeleteResult>> results;
  results.reserve(removals.size());
  for (Removal& one : removals) results.push_back(*std::move(one.result));
  return results;
}

}  // namespace hubrev
