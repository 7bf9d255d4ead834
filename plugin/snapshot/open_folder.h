#pragma once
// A folder that is held open. Calls that begin at its descriptor do not walk down its path for
// every file, and meet the same folder whatever that path leads to by then.

#include <string>
#include <string_view>

#include "plugin/base/file.h"

namespace hubrev {

struct OpenFolder {
  std::string path;  // by which it was opened
  Fd fd;

  // The path of what lies at `name` in it.
  std::string below(std::string_view name) const { return path + "/" + std::string(name); }
};

}  // namespace hubrev
