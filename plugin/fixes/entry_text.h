#pragma once
// Small files of a snapshot, whole.

#include <cstdint>
#include <optional>
#include <string>

#include "plugin/base/result.h"
#include "plugin/fixes/json_text.h"
#include "plugin/types/snapshot.h"

namespace hubrev {

inline constexpr std::uint64_t kMaxConfigBytes = std::uint64_t{16} << 20;

// The bytes of the entry at `path`; nullopt where there is none. kInvalidInput above `limit` bytes.
Result<std::optional<std::string>> read_text(const Snapshot& snapshot, const std::string& path,
                                             std::uint64_t limit);
// The entry as a JSON object; nullopt where there is none. kInvalidInput when it is anything else.
Result<std::optional<JsonText>> read_object(const Snapshot& snapshot, const std::string& path,
                                            std::uint64_t limit = kMaxConfigBytes);

}  // namespace hubrev
