#pragma once
// Whether a checkpoint that is still its trainer's could be published as it is.

#include <string>

#include "plugin/base/result.h"
#include "plugin/types/settings.h"

namespace hubrev {

// What freezing and check_weights() would say of the folder: that it is still being written, holds
// what cannot be published, or lacks weights. invalid_input names the file. Reads headers only.
Status check_complete(const std::string& checkpoint, const Selection& selection);

}  // namespace hubrev
