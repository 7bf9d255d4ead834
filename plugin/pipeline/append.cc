#include "plugin/pipeline/append.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "plugin/pipeline/remote_repository.h"
#include "plugin/pipeline/scratch.h"

namespace hubrev {
namespace {

// Each time somebody else's push went through, so this many writers would have to be faster.
constexpr int kMaxRounds = 50;

Result<Appended> append_once(Repository& repository, const Remote& remote, const std::string& ref,
                             const std::vector<FileChange>& changes, const std::string& message,
                             Clock& clock, const std::stop_token& stop) {
  HUBREV_TRY(const std::vector<RemoteRef> refs, list_refs(repository, remote, stop));
  const std::optional<GitId> current = find_ref(refs, ref);
  const bool only_removes =
      std::none_of(changes.begin(), changes.end(),
                   [](const FileChange& change) { return change.bytes.has_value(); });
  if (!current && only_removes) return Appended{};
  std::vector<GitId> parents;
  if (current) {
    HUBREV_CHECK(fetch(repository, remote, {ref}, stop));
    parents.push_back(*current);
  }
  HUBREV_TRY(const GitId commit, write_changed_commit(repository, current, changes, parents,
                                                      message, own_signature(clock)));
  if (current) {
    HUBREV_TRY(const GitId before, tree_id(repository, *current));
    HUBREV_TRY(const GitId after, tree_id(repository, commit));
    if (before == after) return Appended{*current, false};
  }
  PushRequest request;
  request.commit = commit;
  request.ref = ref;
  request.expected = current;
  request.policy = RefPolicy::kReplaceOwn;  // without a branch: whoever made it meanwhile keeps it
  HUBREV_CHECK(push(repository, remote, request, stop));
  return Appended{commit, true};
}

}  // namespace

Result<Appended> append_files(Connection& connection, const Settings& settings,
                              const std::string& branch, const std::vector<FileChange>& changes,
                              const std::string& message, Clock& clock,
                              const std::stop_token& stop) {
  HUBREV_CHECK(check_revision_name(branch));
  HUBREV_TRY(const Target target, connection.locate(settings, branch, stop));
  HUBREV_TRY(ScratchRepository scratch, ScratchRepository::create());
  const Remote remote = remote_of(connection, target);
  for (int round = 1;; ++round) {
    auto appended = append_once(scratch.repository(), remote, branch_ref(branch), changes, message,
                                clock, stop);
    const bool moved = !appended.ok() && appended.error().kind == ErrorKind::kConflict;
    if (!moved || round == kMaxRounds) return appended;
  }
}

}  // namespace hubrev
