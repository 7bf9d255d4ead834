#pragma once
// What went wrong, as a value. `ErrorKind` alone decides whether a retry makes sense.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace hubrev {

enum class ErrorKind {
  kCancelled,     // somebody asked us to stop
  kTimeout,       // no byte for longer than the stall limit, or a deadline passed
  kNetwork,       // connection refused, reset, name not resolved, truncated answer
  kRateLimited,   // 429
  kServer,        // 408 and 5xx
  kAuth,          // 401 and 403: the token is missing, wrong, or may not do this
  kNotFound,      // 404 and 410
  kConflict,      // 409, 412; the remote ref is not what we expected
  kRejected,      // the server understood and refused: a hook, a validation, a limit
  kInvalidInput,  // what the user handed over cannot be published as it is
  kCorrupt,       // bytes are not what was promised: changed while pending, wrong digest
  kIo,            // the local file system
  kNoSpace,       // no room: the disk is full, or a limit of the spool is reached
  kConfig,        // a setting is wrong
  kInternal,      // a bug of ours
};

std::string_view to_string(ErrorKind kind);
// The inverse of to_string; nullopt for anything else.
std::optional<ErrorKind> error_kind_from_string(std::string_view name);

// Whether the same call may succeed later with nothing changed on our side.
bool retryable(ErrorKind kind);

struct Error {
  ErrorKind kind = ErrorKind::kInternal;
  std::string message;  // one sentence for a person; never a secret
  int http_status = 0;  // 0: not from an HTTP answer
  std::optional<std::chrono::milliseconds> retry_after;  // the server asked for this pause
  std::string request_id;                                // what the server's support asks for
};

Error make_error(ErrorKind kind, std::string message);
// For a failed system call: "<what>: <strerror(code)>"; no_space for a full disk or quota, else io.
Error errno_error(int code, std::string_view what);
// Puts "<context>: " in front; everything else stays.
Error with_context(Error error, std::string_view context);

}  // namespace hubrev
