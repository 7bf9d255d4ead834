#pragma once

#include <string>

#include "plugin/base/secret.h"

namespace hubrev {

enum class Provider {
  kHub,   // a Hugging Face Hub: REST API beside git and LFS
  kGit,   // any other git server with LFS
  kFile,  // no server: a bare repository in a folder
};

// Where a revision goes.
struct Target {
  std::string endpoint;  // "https://huggingface.co", no trailing slash
  std::string repo_id;   // "namespace/name"; outside a Hub also the repository's URL
  std::string revision;  // branch name
  Provider provider = Provider::kHub;
  std::string username;  // beside the token, where a server wants both
  std::string lfs_url;   // of an LFS server of its own; "" for the repository's
  Secret token;
};

// "<endpoint>/<namespace>/<name>", or the URL that repo_id is: what git and LFS URLs are made from.
// Outside a Hub a name gets the suffix ".git", which every server accepts.
std::string repository_url(const Target& target);

// The LFS server: lfs_url, else "<repository>.git/info/lfs". For kFile the repository itself, in
// whose folder the objects are.
std::string lfs_server_url(const Target& target);

// Where a person looks at the revision: its page on a Hub, else the repository.
std::string revision_url(const Target& target);

}  // namespace hubrev
