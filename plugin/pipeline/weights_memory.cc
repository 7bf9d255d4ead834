#include "plugin/pipeline/weights_memory.h"

#include <unistd.h>

#include <utility>

#include "plugin/base/file.h"

namespace hubrev {
namespace {

// A hundred bytes or two for each tensor of a model with a million of them.
constexpr std::uint64_t kMaxBytes = 256ull << 20;

bool exists(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

}  // namespace

void WeightsMemory::set_frozen(std::set<std::string, std::less<>> parameters) {
  const std::lock_guard lock(mutex_);
  PublishedWeights last = read(spool_.weights_path());
  if (last.frozen == parameters) return;
  last.frozen = std::move(parameters);
  (void)write(spool_.weights_path(), last);
}

PublishedWeights WeightsMemory::take(const std::string& job_id) {
  const std::string own = spool_.weights_path(job_id);
  if (exists(own)) return read(own);
  PublishedWeights last;
  {
    const std::lock_guard lock(mutex_);
    last = read(spool_.weights_path());
  }
  if (!write(own, last)) return {};
  return last;
}

void WeightsMemory::remember(PublishedWeights weights) {
  const std::lock_guard lock(mutex_);
  PublishedWeights last = read(spool_.weights_path());
  if (last.job > weights.job) return;
  weights.frozen = std::move(last.frozen);
  (void)write(spool_.weights_path(), weights);
}

PublishedWeights WeightsMemory::read(const std::string& path) const {
  if (!exists(path)) return {};
  auto text = read_file(path, kMaxBytes);
  auto weights = text.ok() ? published_weights_from_text(*text)
                           : Result<PublishedWeights>(std::move(text).error());
  if (weights.ok()) return std::move(weights).value();
  log_.write(LogLevel::kWarning, path + ": " + weights.error().message +
                                     "; weights that did not change are sent once more");
  return {};
}

bool WeightsMemory::write(const std::string& path, const PublishedWeights& weights) const {
  const Status written = write_file_atomic(path, to_text(weights), Durability::kSync);
  if (written.ok()) return true;
  log_.write(LogLevel::kWarning,
             written.error().message + "; weights that did not change may be sent once more");
  return false;
}

}  // namespace hubrev
