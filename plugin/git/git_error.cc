#include "plugin/git/git_error.h"

#include <git2.h>

#include <string>

#include "plugin/base/utf8.h"

namespace hubrev {
namespace {

ErrorKind kind_of(int code, int error_class) {
  switch (code) {
    case GIT_EUSER:
      return ErrorKind::kCancelled;
    case GIT_ENOTFOUND:
      return ErrorKind::kNotFound;
    case GIT_ENONFASTFORWARD:
    case GIT_EMODIFIED:
      return ErrorKind::kConflict;
    case GIT_EINVALIDSPEC:
      return ErrorKind::kInvalidInput;
    case GIT_EAUTH:
      return ErrorKind::kAuth;
    case GIT_EOWNER:
      return ErrorKind::kIo;
    default:
      break;
  }
  switch (error_class) {
    case GIT_ERROR_OS:
    case GIT_ERROR_FILESYSTEM:
      return ErrorKind::kIo;
    // A pack that came over the network, or the protocol around it.
    case GIT_ERROR_NET:
    case GIT_ERROR_INDEXER:
      return ErrorKind::kNetwork;
    case GIT_ERROR_ODB:
    case GIT_ERROR_ZLIB:
      return ErrorKind::kCorrupt;
    default:
      return ErrorKind::kInternal;
  }
}

}  // namespace

Error git_error(int code, std::string_view what) {
  const ::git_error* last = git_error_last();
  const std::string words = last != nullptr && last->message != nullptr
                                ? shown_text(last->message)
                                : "libgit2 gave no reason (code " + std::to_string(code) + ")";
  return make_error(kind_of(code, last != nullptr ? last->klass : GIT_ERROR_NONE),
                    std::string(what) + ": " + words);
}

Error exchange_error(int code, std::string_view what) {
  const ::git_error* last = git_error_last();
  if (last != nullptr && last->klass != GIT_ERROR_NONE) return git_error(code, what);
  return make_error(ErrorKind::kNetwork, std::string(what) +
                                             ": the server's answer breaks off, or is none of git's"
                                             " (code " +
                                             std::to_string(code) + ")");
}

Status git_check(int code, std::string_view what) {
  if (code < 0) return git_error(code, what);
  return {};
}

}  // namespace hubrev
