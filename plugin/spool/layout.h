#pragma once
// The names below a spool's root; spool.h draws the tree.

#include <string>
#include <string_view>

#include "plugin/base/result.h"
#include "plugin/spool/job_id.h"

namespace hubrev {

inline constexpr std::string_view kStagingPrefix = "tmp-";

inline std::string temporary_folder(const std::string& root, const std::string& job_id) {
  return root + "/" + std::string(kStagingPrefix) + job_id;
}
inline std::string next_folder(const std::string& root) {
  return root + "/next";
}
inline std::string job_folder(const std::string& root, const std::string& job_id) {
  return root + "/" + job_id;
}
inline std::string record_path(const std::string& folder) {
  return folder + "/job.json";
}
inline std::string cancel_path(const std::string& root, const std::string& job_id) {
  return job_folder(root, job_id) + "/cancel";
}

inline std::string progress_path(const std::string& folder) {
  return folder + "/progress.json";
}

// An id from outside becomes part of a path only after this.
inline Status check_job_id(const std::string& job_id) {
  if (is_job_id(job_id)) return {};
  return make_error(ErrorKind::kInvalidInput,
                    "'" + job_id + "' is no job id; 'hub-revisions status' lists them");
}

}  // namespace hubrev
