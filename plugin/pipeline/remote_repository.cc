#include "plugin/pipeline/remote_repository.h"

#include <algorithm>

#include "plugin/git/read_commit.h"

namespace hubrev {
namespace {

std::optional<RemoteRef> find_named(const std::vector<RemoteRef>& refs,
                                    const std::string& revision) {
  for (const std::string& name : {branch_ref(revision), tag_ref(revision)}) {
    if (const auto id = find_ref(refs, name)) return RemoteRef{name, *id};
  }
  return std::nullopt;
}

// The ref that has the commit; without one, all in whose history it may be.
std::vector<std::string> refs_that_may_have(const std::vector<RemoteRef>& refs, const GitId& id) {
  std::vector<std::string> names;
  for (const RemoteRef& ref : refs) {
    if (!ref.name.starts_with(kBranchPrefix) && !ref.name.starts_with(kTagPrefix)) continue;
    if (ref.id == id) return {ref.name};
    names.push_back(ref.name);
  }
  return names;
}

}  // namespace

Remote remote_of(const Connection& connection, const Target& target) {
  return {repository_url(target), git_credential(target), &connection.http(), connection.retry()};
}

std::string branch_ref(std::string_view branch) {
  return std::string(kBranchPrefix) + std::string(branch);
}

std::string tag_ref(std::string_view tag) {
  return std::string(kTagPrefix) + std::string(tag);
}

std::optional<GitId> find_ref(const std::vector<RemoteRef>& refs, std::string_view name) {
  const auto at = std::find_if(refs.begin(), refs.end(),
                               [&](const RemoteRef& ref) { return ref.name == name; });
  return at == refs.end() ? std::nullopt : std::optional(at->id);
}

Result<GitId> fetch_commit(Repository& repository, const Connection& connection,
                           const Target& target, const std::string& revision,
                           const std::stop_token& stop) {
  const Remote remote = remote_of(connection, target);
  HUBREV_TRY(const std::vector<RemoteRef> refs, list_refs(repository, remote, stop));
  if (const auto ref = find_named(refs, revision)) {
    HUBREV_CHECK(fetch(repository, remote, {ref->name}, stop));
    return peel_to_commit(repository, ref->id);
  }
  if (const auto id = GitId::from_hex(revision)) {
    HUBREV_CHECK(fetch(repository, remote, refs_that_may_have(refs, *id), stop));
    auto commit = peel_to_commit(repository, *id);
    if (commit.ok() || commit.error().kind != ErrorKind::kNotFound) return commit;
  }
  return make_error(ErrorKind::kNotFound, "repository " + target.repo_id + " has no revision '" +
                                              revision + "'; 'hub-revisions list " +
                                              target.repo_id + "' shows those it has");
}

Signature own_signature(Clock& clock) {
  return {"hub-revisions", "hub-revisions@localhost", clock.unix_ms() / 1000};
}

}  // namespace hubrev
