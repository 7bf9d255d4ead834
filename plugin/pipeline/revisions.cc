#include "plugin/pipeline/revisions.h"

#include <algorithm>
#include <utility>

#include "plugin/git/commit_writer.h"
#include "plugin/git/read_commit.h"
#include "plugin/git/remote.h"
#include "plugin/lfs/pointer.h"
#include "plugin/pipeline/scratch.h"

namespace hubrev {
namespace {

constexpr std::string_view kBranchPrefix = "refs/heads/";
constexpr const char* kAuthorName = "hub-revisions";
constexpr const char* kAuthorEmail = "hub-revisions@localhost";

Remote remote_of(const Connection& connection, const Target& target) {
  return {repository_url(target), git_credential(target), &connection.http(), connection.retry()};
}

std::vector<RemoteRef> branches_of(std::vector<RemoteRef> refs) {
  std::erase_if(refs, [](const RemoteRef& ref) { return !ref.name.starts_with(kBranchPrefix); });
  return refs;
}

std::optional<GitId> find_branch(const std::vector<RemoteRef>& refs, const std::string& branch) {
  for (const RemoteRef& ref : refs) {
    if (ref.name == std::string(kBranchPrefix) + branch) return ref.id;
  }
  return std::nullopt;
}

std::string_view branch_name(const RemoteRef& ref) {
  return std::string_view(ref.name).substr(kBranchPrefix.size());
}

RevisionInfo describe(const RemoteRef& ref, const CommitInfo& commit) {
  RevisionInfo info;
  info.name = branch_name(ref);
  info.commit = ref.id;
  info.title = commit.message.substr(0, commit.message.find('\n'));
  info.unix_seconds = commit.unix_seconds;
  info.facts = parse_message(commit.message);
  for (const TreeFile& file : commit.files) {
    RevisionFile out{file.path, file.size, false};
    if (const auto pointer = parse_pointer(file.small_bytes)) {
      out.size = pointer->size;
      out.lfs = true;
    }
    info.files.push_back(std::move(out));
  }
  return info;
}

bool by_step_and_name(const RevisionInfo& a, const RevisionInfo& b) {
  const auto step = [](const RevisionInfo& info) { return info.facts.step.value_or(-1); };
  return std::pair(step(a), a.name) < std::pair(step(b), b.name);
}

std::vector<std::string> names_of(const std::vector<RemoteRef>& refs) {
  std::vector<std::string> names;
  names.reserve(refs.size());
  for (const RemoteRef& ref : refs) names.push_back(ref.name);
  return names;
}

}  // namespace

Result<std::vector<RevisionInfo>> list_revisions(Connection& connection, const Settings& settings,
                                                 const std::stop_token& stop) {
  HUBREV_TRY(const Target target, connection.locate(settings, "", stop));
  HUBREV_TRY(ScratchRepository scratch, ScratchRepository::create());
  const Remote remote = remote_of(connection, target);
  HUBREV_TRY(std::vector<RemoteRef> refs, list_refs(scratch.repository(), remote, stop));
  refs = branches_of(std::move(refs));
  std::vector<RevisionInfo> revisions;
  if (refs.empty()) return revisions;
  HUBREV_CHECK(fetch(scratch.repository(), remote, names_of(refs), stop));
  for (const RemoteRef& ref : refs) {
    auto commit = read_commit(scratch.repository(), ref.id);
    if (!commit.ok() && commit.error().kind == ErrorKind::kRejected) {
      // Somebody else's branch with more files than any model has: named, but not described.
      revisions.push_back(
          {std::string(branch_name(ref)), ref.id, commit.error().message, 0, {}, {}});
      continue;
    }
    if (!commit.ok()) return std::move(commit).error();
    revisions.push_back(describe(ref, *commit));
  }
  std::sort(revisions.begin(), revisions.end(), by_step_and_name);
  return revisions;
}

Result<Promotion> promote(Connection& connection, const Settings& settings,
                          const std::string& revision, const std::string& branch, Clock& clock,
                          const std::stop_token& stop) {
  HUBREV_CHECK(check_revision_name(branch));
  HUBREV_TRY(const Target target, connection.locate(settings, branch, stop));
  HUBREV_TRY(ScratchRepository scratch, ScratchRepository::create());
  Repository& repository = scratch.repository();
  const Remote remote = remote_of(connection, target);
  HUBREV_TRY(const std::vector<RemoteRef> refs, list_refs(repository, remote, stop));
  const std::optional<GitId> wanted = find_branch(refs, revision);
  const std::optional<GitId> current = find_branch(refs, branch);
  if (!wanted) {
    return make_error(ErrorKind::kNotFound, "repository " + target.repo_id + " has no revision '" +
                                                revision + "'; 'hub-revisions list " +
                                                target.repo_id + "' shows those it has");
  }
  std::vector<std::string> names = {std::string(kBranchPrefix) + revision};
  std::vector<GitId> parents;
  if (current) {
    names.push_back(std::string(kBranchPrefix) + branch);
    parents.push_back(*current);
  }
  parents.push_back(*wanted);
  HUBREV_CHECK(fetch(repository, remote, names, stop));
  if (current) {
    HUBREV_TRY(const GitId wanted_tree, tree_id(repository, *wanted));
    HUBREV_TRY(const GitId current_tree, tree_id(repository, *current));
    if (wanted_tree == current_tree) return Promotion{branch, revision, *current, false};
  }
  const Signature signature{kAuthorName, kAuthorEmail, clock.unix_ms() / 1000};
  HUBREV_TRY(const GitId commit,
             write_commit_with_tree_of(repository, *wanted, parents,
                                       promote_message(revision, *wanted), signature));
  PushRequest request;
  request.commit = commit;
  request.ref = std::string(kBranchPrefix) + branch;
  request.expected = current;
  // Without a branch to compare with: whoever created it meanwhile keeps it.
  request.policy = RefPolicy::kReplaceOwn;
  HUBREV_CHECK(push(repository, remote, request, stop));
  return Promotion{branch, revision, commit, true};
}

}  // namespace hubrev
