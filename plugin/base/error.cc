#include "plugin/base/error.h"

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace hubrev {
namespace {

constexpr std::array<std::pair<ErrorKind, std::string_view>, 15> kNames = {{
    {ErrorKind::kCancelled, "cancelled"},
    {ErrorKind::kTimeout, "timeout"},
    {ErrorKind::kNetwork, "network"},
    {ErrorKind::kRateLimited, "rate_limited"},
    {ErrorKind::kServer, "server"},
    {ErrorKind::kAuth, "auth"},
    {ErrorKind::kNotFound, "not_found"},
    {ErrorKind::kConflict, "conflict"},
    {ErrorKind::kRejected, "rejected"},
    {ErrorKind::kInvalidInput, "invalid_input"},
    {ErrorKind::kCorrupt, "corrupt"},
    {ErrorKind::kIo, "io"},
    {ErrorKind::kNoSpace, "no_space"},
    {ErrorKind::kConfig, "config"},
    {ErrorKind::kInternal, "internal"},
}};

}  // namespace

std::string_view to_string(ErrorKind kind) {
  for (const auto& [value, name] : kNames) {
    if (value == kind) return name;
  }
  return "internal";
}

std::optional<ErrorKind> error_kind_from_string(std::string_view name) {
  for (const auto& [value, text] : kNames) {
    if (text == name) return value;
  }
  return std::nullopt;
}

bool retryable(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kTimeout:
    case ErrorKind::kNetwork:
    case ErrorKind::kRateLimited:
    case ErrorKind::kServer:
    case ErrorKind::kNoSpace:
      return true;
    case ErrorKind::kCancelled:
    case ErrorKind::kAuth:
    case ErrorKind::kNotFound:
    case ErrorKind::kConflict:
    case ErrorKind::kRejected:
    case ErrorKind::kInvalidInput:
    case ErrorKind::kCorrupt:
    case ErrorKind::kIo:
    case ErrorKind::kConfig:
    case ErrorKind::kInternal:
      return false;
  }
  return false;
}

Error make_error(ErrorKind kind, std::string message) {
  Error error;
  error.kind = kind;
  error.message = std::move(message);
  return error;
}

Error errno_error(int code, std::string_view what) {
  const bool full = code == ENOSPC || code == EDQUOT;
  return make_error(full ? ErrorKind::kNoSpace : ErrorKind::kIo,
                    std::string(what) + ": " + std::generic_category().message(code));
}

Error with_context(Error error, std::string_view context) {
  error.message = std::string(context) + ": " + error.message;
  return error;
}

}  // namespace hubrev
