#include "plugin/types/target.h"

namespace hubrev {

std::string repository_url(const Target& target) {
  std::string url = target.endpoint + "/" + target.repo_id;
  if (target.provider == Provider::kGit && !target.repo_id.ends_with(".git")) url += ".git";
  return url;
}

}  // namespace hubrev
