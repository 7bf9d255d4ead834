#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>

namespace hubrev {

// How far one run of a job is; written by the worker's threads and read by status(). Thread-safe.
struct Progress {
  std::atomic<std::uint64_t> bytes_total{0};  // of all LFS files
  std::atomic<std::uint64_t> bytes_hashed{0};
  std::atomic<std::uint64_t> bytes_sent{0};     // LFS bodies put on the wire, re-sent ones included
  std::atomic<std::uint64_t> bytes_present{0};  // LFS objects that the server already had
  std::atomic<std::int64_t> upload_began_ms{0};  // unix milliseconds; 0: not yet

  // Something failed and is tried again. `error` holds no secret.
  void note_retry(std::string error);

 private:
  friend nlohmann::json to_json(const Progress& progress, std::int64_t now_ms);
  mutable std::mutex mutex_;  // guards both below
  std::string last_error_;
  int retries_ = 0;
};

// The counters, and what follows from them at `now_ms` (unix milliseconds): "bytes_done" of
// "bytes_total", "bytes_per_second" and "eta_seconds" (null while unknown), "retries" and
// "last_error" ("" for none).
nlohmann::json to_json(const Progress& progress, std::int64_t now_ms);

}  // namespace hubrev
