#pragma once
// The sentences with which a checkpoint is refused. All are invalid_input: the same checkpoint,
// unchanged, is refused again.

#include <string>
#include <string_view>

#include "plugin/base/error.h"

namespace hubrev {

// "<path> <what>"; `what` says what is wrong and, after a semicolon, what to do.
Error refused(std::string_view path, std::string_view what);
// For a file or folder of the checkpoint that a system call could not reach; `code` is errno's.
Error unreadable(std::string_view path, int code);

}  // namespace hubrev
