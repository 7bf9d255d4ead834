#include "plugin/types/target.h"

#include "plugin/types/address.h"

namespace hubrev {

std::string repository_url(const Target& target) {
  if (is_repository_url(target.repo_id)) return target.repo_id;
  std::string url = target.endpoint + (target.endpoint.ends_with('/') ? "" : "/") + target.repo_id;
  if (target.provider != Provider::kHub && !target.repo_id.ends_with(".git")) url += ".git";
  return url;
}

std::string lfs_server_url(const Target& target) {
  if (!target.lfs_url.empty()) return target.lfs_url;
  std::string url = repository_url(target);
  if (target.provider == Provider::kFile) return url;
  if (!url.ends_with(".git")) url += ".git";
  return url + "/info/lfs";
}

std::string revision_url(const Target& target) {
  const std::string url = repository_url(target);
  return target.provider == Provider::kHub ? url + "/tree/" + target.revision : url;
}

}  // namespace hubrev
