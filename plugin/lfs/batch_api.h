#pragma once
// The LFS batch API: asking a server where to upload objects or where they can be had, and telling
// it to verify one.
// JSON in, values out; no bytes of objects pass here.
// Source: git-lfs docs/api/batch.md and basic-transfers.md; the multipart form is the Hub's, as
// huggingface_hub's lfs.py speaks it.

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "plugin/lfs/pointer.h"
#include "plugin/net/http.h"

namespace hubrev {

struct LfsServer {
  std::string url;        // ".../info/lfs"; file:// of a repository: the objects in its folder
  Credential credential;  // for the server itself; never for the stores that it points to
  std::string ref;        // "refs/heads/step-100", the branch the objects are for
  std::string endpoint;   // hrefs that name https://huggingface.co are rewritten to it
  // Transfers that somebody else carries out, offered to the server before its own; see
  // UploadOffer::agent.
  std::vector<std::string> agents = {};
};

// At most this many objects in one request, as git-lfs does; a server's own limit is undocumented.
inline constexpr std::size_t kMaxBatchObjects = 100;

struct LfsAction {
  std::string href;
  HttpHeaders headers;                     // to be sent exactly as given
  std::optional<std::int64_t> expires_ms;  // unix milliseconds; absent: the server did not say
  std::string json = {};  // for an agent, instead of href and headers: the server's own words
};

// Where the parts of an object go: part i is bytes [i * chunk_size, (i + 1) * chunk_size).
struct MultipartUpload {
  std::uint64_t chunk_size = 0;        // bytes
  std::vector<std::string> part_urls;  // one per part
};

// What the server says about one object. Neither `upload` nor `error`: it has the object already.
struct UploadOffer {
  std::optional<LfsAction> upload;           // for multipart, its href completes the upload
  std::optional<MultipartUpload> multipart;  // instead of one PUT
  std::string agent = {};  // the transfer that carries the object instead; "" for none
  std::optional<LfsAction> verify;
  bool authenticated = false;  // the actions need no credential but what they bring
  std::optional<Error> error;  // the server's words about this object; does not name the path
};

// The server's credential for an action that brings none of its own: nullopt for another host, and
// for a scheme less safe than the server's.
std::optional<Credential> credential_for(const LfsServer& server, const LfsAction& action);

// One request, no retry; answers in the order of `objects` (at most kMaxBatchObjects). Objects are
// matched by oid; one that the answer leaves out, an unknown transfer or malformed JSON is
// kRejected. `what` names the call in errors; `now_ms` (unix) turns a lifetime into `expires_ms`.
Result<std::vector<UploadOffer>> request_uploads(HttpClient& http, const LfsServer& server,
                                                 const std::vector<LfsPointer>& objects,
                                                 std::string_view what, std::int64_t now_ms,
                                                 const std::stop_token& stop);

// Where one object can be had. Without `download` and `error`, the server does not say.
struct DownloadOffer {
  std::optional<LfsAction> download;
  bool authenticated = false;  // as in UploadOffer
  std::optional<Error> error;  // as in UploadOffer
};

// As request_uploads().
Result<std::vector<DownloadOffer>> request_downloads(HttpClient& http, const LfsServer& server,
                                                     const std::vector<LfsPointer>& objects,
                                                     std::string_view what, std::int64_t now_ms,
                                                     const std::stop_token& stop);

// One request, no retry.
Status verify_upload(HttpClient& http, const LfsServer& server, const LfsAction& action,
                     const LfsPointer& object, std::string_view what, const std::stop_token& stop);

// One request, no retry: puts the stored parts together. `etags` in the order of the parts.
Status complete_multipart(HttpClient& http, const LfsAction& action, const Sha256& oid,
                          const std::vector<std::string>& etags, std::string_view what,
                          const std::stop_token& stop);

}  // namespace hubrev
