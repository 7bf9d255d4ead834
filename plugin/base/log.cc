#include "plugin/base/log.h"

#include <fcntl.h>

#include <algorithm>

#include "plugin/base/clock.h"

namespace hubrev {

Status Log::open(const std::string& path) {
  Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return errno_error(errno, "cannot open log " + path);
  const std::lock_guard lock(mutex_);
  file_ = std::move(file);
  return {};
}

void Log::redact(const Secret& secret) {
  // Very short values would blank ordinary words and are no usable token anyway.
  if (secret.reveal().size() < 4) return;
  const std::lock_guard lock(mutex_);
  // Longest first, so that a secret that begins with another one is replaced whole.
  const auto shorter = std::find_if(secrets_.begin(), secrets_.end(), [&](const Secret& other) {
    return other.reveal().size() < secret.reveal().size();
  });
  secrets_.insert(shorter, secret);
}

std::string Log::redacted(std::string_view message) const {
  std::string text(message);
  const std::lock_guard lock(mutex_);
  for (const Secret& secret : secrets_) {
    std::size_t at = 0;
    while ((at = text.find(secret.reveal(), at)) != std::string::npos) {
      text.replace(at, secret.reveal().size(), "***");
    }
  }
  return text;
}

void Log::write(LogLevel level, std::string_view message) {
  const char* name = level == LogLevel::kInfo      ? "INFO"
                     : level == LogLevel::kWarning ? "WARNING"
                                                   : "ERROR";
  std::string line = format_time(system_clock().unix_ms()) + " " + name + " " + redacted(message);
  for (char& c : line) {
    if (c == '\n' || c == '\r') c = ' ';  // one event, one line
  }
  line += '\n';
  const std::lock_guard lock(mutex_);
  // A log line that cannot be written (disk full) must not fail the work it describes.
  if (file_) (void)write_all(file_.get(), line, "log");
}

}  // namespace hubrev
