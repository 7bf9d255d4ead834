#pragma once
// Names of job folders: "20260131T120000123Z-9f3a1c", the time of creation and a random part.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hubrev {

// Ids of distinct milliseconds sort by them. `random` is taken modulo 2^24.
std::string make_job_id(std::int64_t unix_ms, std::uint32_t random);
// Whether it may have been made by make_job_id().
bool is_job_id(std::string_view id);
// The creation time, or nullopt when `id` is none.
std::optional<std::int64_t> job_id_time(std::string_view id);

}  // namespace hubrev
