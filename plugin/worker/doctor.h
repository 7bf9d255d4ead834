#pragma once
// Looks at everything a push needs, before one is needed.

#include <stop_token>
#include <string>
#include <vector>

#include "plugin/base/secret.h"
#include "plugin/types/settings.h"

namespace hubrev {

enum class Verdict {
  kOk,
  kWarn,     // a push works, but not as well as it could, or perhaps not for long
  kFail,     // a push would not work
  kSkipped,  // could not be looked at, for what another finding says
};

struct Finding {
  std::string check;
  Verdict verdict = Verdict::kOk;
  std::string detail;  // what was found, in one sentence
  std::string remedy;  // of kWarn and kFail: what to do about it
};

struct DoctorRequest {
  Settings settings;
  Secret token;
  std::string token_origin;  // where it was found, for people
  std::string output_dir;
};

// The findings "token", "endpoint", "route", "repository", "round trip", "spool", "free space" and
// "clock", in this order. Blocks. With a repository in the settings, creates it if it is not there,
// as training would, and pushes a small revision, which it removes again; freezes a file in
// output_dir, likewise.
std::vector<Finding> doctor(const DoctorRequest& request, const std::stop_token& stop);

}  // namespace hubrev
