#include "plugin/pipeline/promote.h"

#include <algorithm>
#include <utility>

#include "plugin/git/history.h"
#include "plugin/pipeline/message.h"
#include "plugin/pipeline/remote_repository.h"
#include "plugin/pipeline/scratch.h"

namespace hubrev {
namespace {

Result<GitId> find_revision(const std::vector<RemoteRef>& refs, const Target& target,
                            const std::string& revision, const std::optional<GitId>& expected) {
  const std::optional<GitId> commit = find_ref(refs, branch_ref(revision));
  if (!commit) {
    return make_error(ErrorKind::kNotFound, "repository " + target.repo_id + " has no revision '" +
                                                revision + "'; 'hub-revisions list " +
                                                target.repo_id + "' shows those it has");
  }
  if (expected && commit != expected) {
    return make_error(ErrorKind::kConflict, "revision '" + revision + "' is at " + commit->hex() +
                                                " and no longer at " + expected->hex() +
                                                ", which was chosen; choose again");
  }
  return *commit;
}

// Whether a branch may be made equal to a revision: not if it is one itself, which would be lost.
Status check_no_revision(Repository& repository, const std::string& branch, const GitId& commit) {
  HUBREV_TRY(const std::string message, message_of(repository, commit));
  if (parse_message(message).revision != branch) return {};
  return make_error(ErrorKind::kConflict, "branch '" + branch +
                                              "' is a revision of its own, which promoting to it "
                                              "would hide; choose another branch, or a tag");
}

// Whether a pointer may leave this commit: it was put there by a pointer, not by somebody's work.
Status check_pointer(Repository& repository, const std::string& pointer, const GitId& commit) {
  HUBREV_TRY(const std::string message, message_of(repository, commit));
  const std::string published_as = parse_message(message).revision;
  if (!published_as.empty() && published_as != pointer) return {};
  return make_error(ErrorKind::kConflict,
                    "branch '" + pointer + "' is no pointer: it holds commit " + commit.hex() +
                        " of its own; rename or remove that branch, or change 'pointers'");
}

Result<Promotion> move_pointer(Repository& repository, const Remote& remote,
                               const std::vector<RemoteRef>& refs, const std::string& pointer,
                               const GitId& commit, const std::stop_token& stop) {
  const std::optional<GitId> current = find_ref(refs, branch_ref(pointer));
  const auto holder = std::find_if(refs.begin(), refs.end(), [&](const RemoteRef& ref) {
    return ref.id == commit && ref.name.starts_with(kBranchPrefix);
  });
  if (holder == refs.end()) {
    return make_error(ErrorKind::kNotFound, "no branch has commit " + commit.hex() + ", which '" +
                                                pointer + "' should point to");
  }
  Promotion moved{pointer, holder->name.substr(kBranchPrefix.size()), commit, false};
  if (current == commit) return moved;
  std::vector<std::string> names = {holder->name};
  if (current) names.push_back(branch_ref(pointer));
  HUBREV_CHECK(fetch(repository, remote, names, stop));
  if (current) HUBREV_CHECK(check_pointer(repository, pointer, *current));
  PushRequest request;
  request.commit = commit;
  request.ref = branch_ref(pointer);
  request.expected = current;
  request.policy = RefPolicy::kReplaceOwn;
  HUBREV_CHECK(push(repository, remote, request, stop));
  moved.changed = true;
  return moved;
}

}  // namespace

Result<Promotion> promote(Connection& connection, const Settings& settings,
                          const PromoteRequest& wanted, Clock& clock, const std::stop_token& stop) {
  HUBREV_CHECK(check_revision_name(wanted.branch));
  HUBREV_TRY(const Target target, connection.locate(settings, wanted.branch, stop));
  HUBREV_TRY(ScratchRepository scratch, ScratchRepository::create());
  Repository& repository = scratch.repository();
  const Remote remote = remote_of(connection, target);
  HUBREV_TRY(const std::vector<RemoteRef> refs, list_refs(repository, remote, stop));
  HUBREV_TRY(const GitId revision, find_revision(refs, target, wanted.revision, wanted.commit));
  const std::optional<GitId> current = find_ref(refs, branch_ref(wanted.branch));
  std::vector<std::string> names = {branch_ref(wanted.revision)};
  std::vector<GitId> parents;
  if (current) {
    names.push_back(branch_ref(wanted.branch));
    parents.push_back(*current);
  }
  parents.push_back(revision);
  HUBREV_CHECK(fetch(repository, remote, names, stop));
  if (current) HUBREV_CHECK(check_no_revision(repository, wanted.branch, *current));
  HUBREV_TRY(const GitId commit, write_changed_commit(repository, revision, wanted.changes, parents,
                                                      promote_message(wanted.revision, revision),
                                                      own_signature(clock)));
  if (current) {
    HUBREV_TRY(const GitId before, tree_id(repository, *current));
    HUBREV_TRY(const GitId after, tree_id(repository, commit));
    if (before == after) return Promotion{wanted.branch, wanted.revision, *current, false};
  }
  PushRequest request;
  request.commit = commit;
  request.ref = branch_ref(wanted.branch);
  request.expected = current;
  // Without a branch to compare with: whoever created it meanwhile keeps it.
  request.policy = RefPolicy::kReplaceOwn;
  HUBREV_CHECK(push(repository, remote, request, stop));
  return Promotion{wanted.branch, wanted.revision, commit, true};
}

Result<Promotion> promote_tag(Connection& connection, const Settings& settings,
                              const std::string& revision, const std::optional<GitId>& commit,
                              const std::string& tag, const std::stop_token& stop) {
  HUBREV_CHECK(check_revision_name(tag));
  HUBREV_TRY(const Target target, connection.locate(settings, revision, stop));
  HUBREV_TRY(ScratchRepository scratch, ScratchRepository::create());
  Repository& repository = scratch.repository();
  const Remote remote = remote_of(connection, target);
  HUBREV_TRY(const std::vector<RemoteRef> refs, list_refs(repository, remote, stop));
  HUBREV_TRY(const GitId chosen, find_revision(refs, target, revision, commit));
  HUBREV_CHECK(fetch(repository, remote, {branch_ref(revision)}, stop));
  PushRequest request;
  request.commit = chosen;
  request.ref = tag_ref(tag);
  request.expected = find_ref(refs, request.ref);
  request.policy = RefPolicy::kReplaceOwn;
  HUBREV_TRY(const PushOutcome outcome, push(repository, remote, request, stop));
  return Promotion{tag, revision, chosen, outcome.result == PushResult::kPushed};
}

Result<std::vector<Promotion>> move_pointers(Connection& connection, const Settings& settings,
                                             const std::map<std::string, GitId>& pointers,
                                             const std::stop_token& stop) {
  HUBREV_TRY(const Target target, connection.locate(settings, "", stop));
  HUBREV_TRY(ScratchRepository scratch, ScratchRepository::create());
  const Remote remote = remote_of(connection, target);
  HUBREV_TRY(const std::vector<RemoteRef> refs, list_refs(scratch.repository(), remote, stop));
  std::vector<Promotion> moved;
  for (const auto& [pointer, commit] : pointers) {
    HUBREV_CHECK(check_revision_name(pointer));
    HUBREV_TRY(Promotion one,
               move_pointer(scratch.repository(), remote, refs, pointer, commit, stop));
    moved.push_back(std::move(one));
  }
  return moved;
}

}  // namespace hubrev
