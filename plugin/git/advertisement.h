#pragma once
// Looks over a server's answer before libgit2 parses it: an answer that is cut short or not git's
// at all (a proxy's page) becomes a clear error, and none reaches libgit2's parser, which trusts
// the kinds of lines it gets. Formats: git's Documentation/gitprotocol-http and gitprotocol-common.
// Internal to this layer.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "plugin/base/ids.h"
#include "plugin/base/result.h"

namespace hubrev {

// Bytes; about half a million refs.
inline constexpr std::uint64_t kMaxAdvertisement = std::uint64_t{64} << 20;

enum class GitService { kUploadPack, kReceivePack };

// "git-upload-pack" or "git-receive-pack", as in URLs and content types.
std::string_view service_name(GitService service);

// The answer to GET info/refs. kNetwork when it is cut short or malformed; kRejected with the
// server's words when it is an error line, or for a repository of another object format.
Status check_advertisement(std::string_view body, GitService service);

// A checked advertisement with those refs alone for which `wanted` is true. What the server can do
// stays in it.
std::string narrowed(std::string_view advertisement,
                     const std::function<bool(std::string_view ref, const GitId& id)>& wanted);

// The answer to POST git-receive-pack: whole packets up to a final flush. kNetwork otherwise.
Status check_report(std::string_view body);

// The answer to POST git-upload-pack: whole packets and, where they carry a pack, a final flush and
// no more objects promised than so many bytes can hold (libgit2 allocates what is promised).
// kNetwork otherwise.
Status check_pack(std::string_view body);

}  // namespace hubrev
