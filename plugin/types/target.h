#pragma once

#include <string>

#include "plugin/base/secret.h"

namespace hubrev {

enum class Provider {
  kHub,  // a Hugging Face Hub: REST API beside git and LFS
  kGit,  // any other git server with LFS
};

// Where a revision goes.
struct Target {
  std::string endpoint;  // "https://huggingface.co", no trailing slash
  std::string repo_id;   // "namespace/name"
  std::string revision;  // branch name
  Provider provider = Provider::kHub;
  Secret token;
};

// "<endpoint>/<namespace>/<name>", what git and LFS URLs are made from. On a kGit server the
// ".git" suffix is added, which every one of them accepts.
std::string repository_url(const Target& target);

}  // namespace hubrev
