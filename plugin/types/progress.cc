#include "plugin/types/progress.h"

#include <algorithm>
#include <utility>

namespace hubrev {

void Progress::note_retry(std::string error) {
  const std::lock_guard lock(mutex_);
  last_error_ = std::move(error);
  ++retries_;
}

nlohmann::json to_json(const Progress& progress, std::int64_t now_ms) {
  const std::uint64_t total = progress.bytes_total;
  const std::uint64_t sent = progress.bytes_sent;
  const std::uint64_t present = progress.bytes_present;
  const std::uint64_t done = std::min(total, sent + present);  // what was sent twice counts twice
  nlohmann::json rate;
  nlohmann::json eta;
  const std::int64_t began = progress.upload_began_ms;
  if (began != 0 && now_ms > began && sent > 0) {
    const double per_second =
        static_cast<double>(sent) * 1000.0 / static_cast<double>(now_ms - began);
    rate = per_second;
    eta = static_cast<double>(total - done) / per_second;
  }
  const std::lock_guard lock(progress.mutex_);
  return {{"bytes_total", total},
          {"bytes_hashed", progress.bytes_hashed.load()},
          {"bytes_sent", sent},
          {"bytes_present", present},
          {"bytes_done", done},
          {"bytes_per_second", std::move(rate)},
          {"eta_seconds", std::move(eta)},
          {"retries", progress.retries_},
          {"last_error", progress.last_error_}};
}

}  // namespace hubrev
