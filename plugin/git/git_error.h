#pragma once
// libgit2's return codes as Errors, in one place. Internal to this layer.

#include <string_view>

#include "plugin/base/result.h"

namespace hubrev {

// The Error for a negative return code: "<what>: <libgit2's words>". To be called at once, on the
// thread that made the call: the words are that thread's and the next call may replace them.
Error git_error(int code, std::string_view what);

// The same for an exchange with a server, of which libgit2 may fail to understand the answer
// without a word about it.
Error exchange_error(int code, std::string_view what);

// Ok for code >= 0, else git_error().
Status git_check(int code, std::string_view what);

}  // namespace hubrev
