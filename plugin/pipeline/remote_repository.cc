#include "plugin/pipeline/remote_repository.h"

#include <algorithm>

namespace hubrev {

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

Signature own_signature(Clock& clock) {
  return {"hub-revisions", "hub-revisions@localhost", clock.unix_ms() / 1000};
}

}  // namespace hubrev
