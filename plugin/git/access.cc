#include <string>
#include <utility>

#include "plugin/git/advertisement.h"
#include "plugin/git/exchange.h"
#include "plugin/git/local_remote.h"
#include "plugin/git/ref_update.h"
#include "plugin/git/remote.h"

namespace hubrev {
namespace {

Error with_remedy(Error error) {
  if (error.http_status == 401 || error.http_status == 403) {
    error.message += "; check HF_TOKEN and 'username', and that they may write to this repository";
  }
  if (error.http_status == 404) {
    error.message += "; make the repository on its server first, or check 'repo_id'";
  }
  return error;
}

}  // namespace

// What begins every push. Servers refuse it to whoever may not push at all.
Status check_push_access(const Remote& remote, const std::stop_token& stop) {
  const std::string what = "asking to push to " + display_url(remote.url);
  const HttpRequest request = refs_request(remote, GitService::kReceivePack);
  auto answer = with_retry(remote.retry, stop, [&] {
    return send_expecting_success(*remote.http, request, what, stop);
  });
  if (!answer.ok()) return with_remedy(std::move(answer).error());
  return {};
}

Result<std::string> advertise(const Remote& remote, const std::string& ref,
                              const std::stop_token& stop) {
  if (is_local(remote)) return std::string();
  const std::string doing = "pushing to " + display_url(remote.url);
  HUBREV_TRY(const std::string all, with_retry(remote.retry, stop, [&] {
               return read_refs(remote, GitService::kReceivePack, doing, stop);
             }));
  return narrowed(all, [&](std::string_view name, const GitId&) {
    return name == ref || exclude_each_other(name, ref);
  });
}

}  // namespace hubrev
