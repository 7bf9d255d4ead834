#pragma once
// The JSON of the batch API, as pure functions. Private to this layer.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugin/lfs/batch_api.h"

namespace hubrev {

std::string batch_request_body(const LfsServer& server, const std::vector<LfsPointer>& objects);

// See request_uploads(). Survives any answer: types, sizes and text are checked before use.
Result<std::vector<UploadOffer>> parse_batch_answer(std::string_view body, const LfsServer& server,
                                                    const std::vector<LfsPointer>& objects,
                                                    std::string_view what, std::int64_t now_ms);

std::string download_request_body(const LfsServer& server, const std::vector<LfsPointer>& objects);

// See request_downloads(). As parse_batch_answer().
Result<std::vector<DownloadOffer>> parse_download_answer(std::string_view body,
                                                         const LfsServer& server,
                                                         const std::vector<LfsPointer>& objects,
                                                         std::string_view what,
                                                         std::int64_t now_ms);

// Unix milliseconds of an RFC 3339 time; nullopt when it is none, or before 1970 (some servers
// write a zero time, year 1, for "never").
std::optional<std::int64_t> parse_rfc3339(std::string_view text);

}  // namespace hubrev
