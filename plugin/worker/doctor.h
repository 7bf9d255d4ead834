#pragma once
// Looks at everything a push needs, before one is needed.

#include <stop_token>
#include <string>
#include <vector>

#include "plugin/base/secret.h"
#include "plugin/types/settings.h"

namespace hubrev {

struct Finding {
  std::string check;  // "token", "repository", "spool", "free space"
  bool ok = false;
  std::string detail;  // one sentence
};

// Sends a few requests and freezes a tiny probe folder in output_dir, which it removes again. With
// a repository in the settings, creates it if it is not there, as training would. Blocks.
std::vector<Finding> doctor(const Settings& settings, const Secret& token,
                            const std::string& output_dir, const std::stop_token& stop);

}  // namespace hubrev
