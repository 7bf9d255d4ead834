#include "plugin/snapshot/refusal.h"

#include <cerrno>
#include <system_error>

#include "plugin/snapshot/path_rules.h"

namespace hubrev {

Error refused(std::string_view path, std::string_view what) {
  return make_error(ErrorKind::kInvalidInput, shown_path(path) + " " + std::string(what));
}

Error unreadable(std::string_view path, int code) {
  if (code == ENOENT) {
    return refused(path, "vanished while it was frozen; keep the checkpoint until it is published");
  }
  return refused(path, "cannot be read (" + std::generic_category().message(code) +
                           "); give this process read access to it");
}

}  // namespace hubrev
