#pragma once
// The worker's log: a file beside the snapshots. The library never writes to stdout or stderr.

#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "plugin/base/file.h"
#include "plugin/base/secret.h"

namespace hubrev {

enum class LogLevel { kInfo, kWarning, kError };

// Thread-safe. Lines are "<UTC time> <level> <message>"; a registered secret inside a message is
// written as "***", whoever composed it (a server may echo what it was sent).
class Log {
 public:
  Log() = default;
  // Appends to `path` (created 0600). Until then, and when it cannot be opened, lines are dropped.
  Status open(const std::string& path);
  void redact(const Secret& secret);
  void write(LogLevel level, std::string_view message);
  // The message with every registered secret replaced.
  std::string redacted(std::string_view message) const;

 private:
  mutable std::mutex mutex_;  // guards both below
  Fd file_;
  std::vector<Secret> secrets_;
};

}  // namespace hubrev
