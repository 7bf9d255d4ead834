#include "plugin/pipeline/place.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "plugin/git/commit_writer.h"
#include "plugin/pipeline/remote_repository.h"

namespace hubrev {
namespace {

// The branch's commit if it holds the same files as ours: two runs that saved the same model differ
// in nothing but the commit's time.
Result<std::optional<GitId>> find_same_content(Repository& repository, const Remote& remote,
                                               const GitId& commit, const std::string& ref,
                                               const std::stop_token& stop) {
  HUBREV_TRY(const std::vector<RemoteRef> refs, list_refs(repository, remote, stop));
  const auto at = std::find_if(refs.begin(), refs.end(),
                               [&](const RemoteRef& candidate) { return candidate.name == ref; });
  if (at == refs.end()) return std::optional<GitId>();
  if (at->id == commit) return std::optional(commit);
  HUBREV_CHECK(fetch(repository, remote, {ref}, stop));
  HUBREV_TRY(const GitId theirs, tree_id(repository, at->id));
  HUBREV_TRY(const GitId ours, tree_id(repository, commit));
  return theirs == ours ? std::optional(at->id) : std::nullopt;
}

}  // namespace

Result<Placement> place_commit(Repository& repository, const Remote& remote, PlaceRequest request,
                               const std::stop_token& stop) {
  PushRequest push_request;
  push_request.commit = request.commit;
  push_request.ref = branch_ref(request.branch);
  push_request.policy =
      request.exists == ExistingRevision::kOverwrite ? RefPolicy::kReplace : RefPolicy::kReplaceOwn;
  push_request.own = std::move(request.own);
  push_request.advertisement = std::move(request.advertisement);
  auto pushed = push(repository, remote, push_request, stop);
  if (!pushed.ok() && pushed.error().kind == ErrorKind::kConflict) {
    HUBREV_TRY(const std::optional<GitId> same,
               find_same_content(repository, remote, request.commit, push_request.ref, stop));
    if (same) return Placement{*same, ""};
    // A push that timed out here may land there just before its repetition, and whoever moved the
    // ref in between may be one of ours: worth a second look, whose words are also the clearer
    // ones.
    push_request.advertisement.clear();
    pushed = push(repository, remote, push_request, stop);
  }
  if (!pushed.ok()) return std::move(pushed).error();
  return Placement{request.commit, std::move(pushed).value().server_text};
}

}  // namespace hubrev
