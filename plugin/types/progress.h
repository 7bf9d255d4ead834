#pragma once

#include <atomic>
#include <cstdint>

namespace hubrev {

// Counters of one job, written by the worker's threads and read by status() without a lock.
struct Progress {
  std::atomic<std::uint64_t> bytes_total{0};  // of all LFS files
  std::atomic<std::uint64_t> bytes_hashed{0};
  std::atomic<std::uint64_t> bytes_sent{0};     // LFS bodies put on the wire, re-sent ones included
  std::atomic<std::uint64_t> bytes_present{0};  // LFS objects that the server already had
};

}  // namespace hubrev
