#pragma once
// The large files that a Hub stores for a repository, whether or not a commit refers to them: list
// them, and delete them for good. Source: huggingface_hub's list_lfs_files and
// permanently_delete_lfs_files.

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "plugin/hub/hub_client.h"

namespace hubrev {

struct StoredLfsFile {
  Sha256 oid;
  std::uint64_t size = 0;                 // bytes
  std::optional<std::int64_t> pushed_ms;  // unix; absent when the server's date is not understood
};

// All of them, page by page; nullopt when the server has no such route. Each page is asked for at
// our endpoint, wherever the server's link to it leads: the token goes nowhere else.
Result<std::optional<std::vector<StoredLfsFile>>> list_lfs_files(const HubConnection& connection,
                                                                 const std::string& repo_id,
                                                                 const std::stop_token& stop);

inline constexpr std::size_t kMaxLfsDeletions = 1000;  // in one request; the Hub's limit

// Deletes at most kMaxLfsDeletions objects, for good; commits that refer to them are left as they
// are, so nothing may refer to them. One that is not there is a success.
Status delete_lfs_files(const HubConnection& connection, const std::string& repo_id,
                        const std::vector<Sha256>& oids, const std::stop_token& stop);

}  // namespace hubrev
