#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <stop_token>
#include <variant>
#include <vector>

#include "plugin/base/result.h"
#include "plugin/types/commit_plan.h"

namespace hubrev {

using FileGroup = std::vector<std::size_t>;  // indices of an upload's files

// The files of one upload on their way through its threads: they are hashed in groups, some groups
// together, and then each group is sent by whoever is free. Large files are groups of their own, so
// that each can be sent by another thread; small ones share a group, so that they cost one request
// to the server, but there are groups enough to keep every thread busy to the end. A group is short
// enough for its URLs to be used before they expire. Thread-safe.
class GroupQueue {
 public:
  // `files` largest first; `threads` call take().
  GroupQueue(const std::vector<LfsFile>& files, std::size_t threads);

  std::size_t size() const { return size_; }

  struct Send {
    FileGroup group;
  };
  struct Hash {
    std::vector<FileGroup> groups;  // for put_hashed() afterwards
  };
  using Work = std::variant<Send, Hash>;
  // What the calling thread is to do next. Groups to send go first: their bytes are still in the
  // kernel's cache. Blocks while all that is left is being hashed by other threads; kCancelled when
  // stopped, which one of them that fails has to see to. Precondition: Send was given fewer than
  // size() times.
  Result<Work> take(const std::stop_token& stop);
  void put_hashed(std::vector<FileGroup> groups);

 private:
  std::mutex mutex_;  // guards unhashed_ and hashed_
  std::condition_variable_any changed_;
  std::deque<FileGroup> unhashed_;
  std::deque<FileGroup> hashed_;
  std::size_t size_;      // groups
  std::size_t together_;  // groups of one file that are hashed by one thread at once
};

}  // namespace hubrev
