#include "plugin/lfs/group_queue.h"

#include <algorithm>
#include <cstdint>
#include <thread>
#include <utility>

#include "plugin/base/sha256.h"
#include "plugin/lfs/batch_api.h"

namespace hubrev {
namespace {

constexpr std::uint64_t kSmallFile = 64ull << 20;  // bytes; smaller ones share a batch
// Bytes of the small files of one group.
constexpr std::uint64_t kSmallestGroup = 8ull << 20;
constexpr std::uint64_t kLargestGroup = 128ull << 20;

std::deque<FileGroup> make_groups(const std::vector<LfsFile>& files, std::size_t threads) {
  std::uint64_t all_small = 0;
  for (const LfsFile& file : files) {
    if (file.source.size() < kSmallFile) all_small += file.source.size();
  }
  const std::uint64_t group_bytes =
      std::clamp(all_small / (2 * threads), kSmallestGroup, kLargestGroup);
  std::deque<FileGroup> groups;
  FileGroup small;
  std::uint64_t small_bytes = 0;
  const auto close = [&] {
    if (!small.empty()) groups.push_back(std::exchange(small, {}));
    small_bytes = 0;
  };
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::uint64_t size = files[i].source.size();
    if (size >= kSmallFile) {
      groups.push_back({i});
      continue;
    }
    if (small.size() == kMaxBatchObjects || small_bytes + size > group_bytes) close();
    small.push_back(i);
    small_bytes += size;
  }
  close();
  return groups;
}

// No more than keep every core busy: few large files are spread over the cores first.
std::size_t groups_together(std::size_t groups, std::size_t threads) {
  const std::size_t cores = std::max(1u, std::thread::hardware_concurrency());
  const std::size_t hashing = std::min(threads, cores);
  return std::clamp((groups + hashing - 1) / hashing, std::size_t{1}, Sha256Hasher::kMostTogether);
}

}  // namespace

GroupQueue::GroupQueue(const std::vector<LfsFile>& files, std::size_t threads)
    : unhashed_(make_groups(files, threads)),
      size_(unhashed_.size()),
      together_(groups_together(size_, threads)) {}

Result<GroupQueue::Work> GroupQueue::take(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait(lock, stop, [&] { return !hashed_.empty() || !unhashed_.empty(); })) {
    return make_error(ErrorKind::kCancelled, "cancelled");
  }
  if (!hashed_.empty()) {
    Send send{std::move(hashed_.front())};
    hashed_.pop_front();
    return Work(std::move(send));
  }
  Hash hash;
  do {
    hash.groups.push_back(std::move(unhashed_.front()));
    unhashed_.pop_front();
  } while (!unhashed_.empty() && hash.groups.size() < together_ && hash.groups.back().size() == 1 &&
           unhashed_.front().size() == 1);
  return Work(std::move(hash));
}

void GroupQueue::put_hashed(std::vector<FileGroup> groups) {
  const std::lock_guard lock(mutex_);
  for (FileGroup& group : groups) hashed_.push_back(std::move(group));
  changed_.notify_all();
}

}  // namespace hubrev
