#pragma once
// What of a checkpoint belongs into a revision. Pure: decided by name alone, before a file is
// opened.

#include <string_view>

#include "plugin/types/settings.h"

namespace hubrev {

// Whether `path` (relative to the checkpoint, '/' between parts) stays out of the revision. A path
// that ends in '/' is a folder, and true means that nothing below it is published. Patterns are
// those of huggingface_hub (`filter_repo_objects`): fnmatch's, so that '*' stands for '/' too, and
// one that ends in '/' for all that is below that folder.
bool is_excluded(std::string_view path, const Selection& selection);

}  // namespace hubrev
