#include "plugin/pipeline/withhold_tokens.h"

#include <string>
#include <vector>

#include "plugin/fixes/token_scan.h"
#include "plugin/net/http.h"

namespace hubrev {

Status withhold_tokens(Snapshot& snapshot, JobRecord& record, const Settings& settings,
                       const Connection& connection, const std::stop_token& stop) {
  if (settings.secret_scan == SecretScan::kOff) return {};
  const Secret& token = connection.token();
  const Secret basic(basic_value(settings.username, token));
  HUBREV_TRY(const std::vector<std::string> paths, find_tokens(snapshot, {token, basic}, stop));
  if (paths.empty()) return {};
  std::string list;
  for (const std::string& path : paths) list += (list.empty() ? "" : ", ") + path;
  if (settings.secret_scan == SecretScan::kFail) {
    return make_error(ErrorKind::kInvalidInput,
                      "a token stands in " + list +
                          "; remove it and revoke the token, or set 'secret_scan' to 'withhold'");
  }
  for (const std::string& path : paths) remove_entry(snapshot, path);
  record.warnings.push_back("withheld, because a token stands in it: " + list +
                            "; remove it there and revoke the token");
  record.fixes.push_back({"tokens", FixOutcome::kApplied, "withheld: " + list, paths});
  return {};
}

}  // namespace hubrev
