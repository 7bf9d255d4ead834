#pragma once
// Addresses that users give: a server's, and a repository's.

#include <string>
#include <string_view>

#include "plugin/base/result.h"

namespace hubrev {

// The address of one repository, as git takes it.
struct RepositoryUrl {
  std::string url;       // without a user name: "https://git.example/group/name.git"
  std::string server;    // what a token is meant for: "https://git.example"; a folder's parent
  std::string username;  // "" when the address names none
};

// Whether a 'repo_id' is an address and no "namespace/name".
bool is_repository_url(std::string_view repo_id);

// https://, http:// or file://. kConfig with the remedy for anything else, and for a password in
// it, which no message repeats.
Result<RepositoryUrl> parse_repository_url(std::string_view text);

// The base address of a server (https://, http://), or of a folder of repositories (file://), or
// what else `key` is the setting of; without a slash at its end. kConfig as above.
Result<std::string> parse_server_url(std::string_view key, std::string url);

bool is_file_url(std::string_view url);
// The folder that a file:// address names, %XX decoded as git does.
std::string file_url_path(std::string_view file_url);

}  // namespace hubrev
