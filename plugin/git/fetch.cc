#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "plugin/base/sha256.h"
#include "plugin/git/exchange.h"
#include "plugin/git/git_error.h"
#include "plugin/git/git_handles.h"
#include "plugin/git/local_remote.h"
#include "plugin/git/remote.h"
#include "plugin/git/subtransport.h"

namespace hubrev {
namespace {

Status connect(git_remote* remote, Exchange& exchange) {
  auto options = git_options<git_remote_connect_options_init, GIT_REMOTE_CONNECT_OPTIONS_VERSION>();
  options.callbacks = callbacks_over(exchange);
  options.follow_redirects = GIT_REMOTE_REDIRECT_NONE;
  const int code = git_remote_connect_ext(remote, GIT_DIRECTION_FETCH, &options);
  if (code < 0) return exchange.error(code);
  return {};
}

// Precondition: connected.
Result<std::vector<RemoteRef>> advertised(git_remote* remote, const Exchange& exchange) {
  const git_remote_head** heads = nullptr;
  std::size_t count = 0;
  if (const int code = git_remote_ls(&heads, &count, remote); code < 0) return exchange.error(code);
  std::vector<RemoteRef> refs;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string_view name = heads[i]->name;
    if (!name.starts_with("refs/") || name.ends_with("^{}")) continue;
    refs.push_back({std::string(name), to_id(heads[i]->oid)});
  }
  return refs;
}

Result<std::vector<RemoteRef>> list_once(Repository& repository, const Remote& remote,
                                         const std::stop_token& stop) {
  Exchange exchange(repository, remote, stop, "reading the refs of");
  RemoteHandle handle;
  HUBREV_CHECK(make_remote(out(handle), repository, remote, exchange));
  HUBREV_CHECK(connect(handle.get(), exchange));
  return advertised(handle.get(), exchange);
}

Status check_present(const std::vector<RemoteRef>& advertised_refs,
                     const std::vector<std::string>& refs, const std::string& doing) {
  std::set<std::string_view> names;
  for (const RemoteRef& one : advertised_refs) names.insert(one.name);
  for (const std::string& ref : refs) {
    if (!names.contains(ref)) {
      return with_context(make_error(ErrorKind::kNotFound, "there is no " + ref), doing);
    }
  }
  return {};
}

// A handful is kept under local refs, so that the next fetch tells the server what is here; a
// thousand of those files take longer than everything else. The name is a digest because two remote
// refs of different times, "a" and "a/b", cannot both exist in one repository.
constexpr std::size_t kMostLocalRefs = 16;

std::vector<std::string> refspecs_for(const std::vector<std::string>& refs) {
  if (refs.size() > kMostLocalRefs) return refs;
  std::vector<std::string> refspecs;
  for (const std::string& ref : refs) {
    refspecs.push_back("+" + ref + ":refs/hubrev/fetched/" + sha256(ref).hex());
  }
  return refspecs;
}

Status fetch_once(Repository& repository, const Remote& remote,
                  const std::vector<std::string>& refs, const std::stop_token& stop) {
  Exchange exchange(repository, remote, stop, "fetching from");
  RemoteHandle handle;
  HUBREV_CHECK(make_remote(out(handle), repository, remote, exchange));
  HUBREV_CHECK(connect(handle.get(), exchange));
  HUBREV_TRY(const std::vector<RemoteRef> present, advertised(handle.get(), exchange));
  HUBREV_CHECK(check_present(present, refs, exchange.doing));

  std::vector<std::string> refspecs = refspecs_for(refs);
  std::vector<char*> pointers;
  pointers.reserve(refspecs.size());
  for (std::string& refspec : refspecs) pointers.push_back(refspec.data());
  const git_strarray array{pointers.data(), pointers.size()};

  auto options = git_options<git_fetch_options_init, GIT_FETCH_OPTIONS_VERSION>();
  options.callbacks = callbacks_over(exchange);
  options.prune = GIT_FETCH_NO_PRUNE;
  options.update_fetchhead = 0;
  options.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
  options.follow_redirects = GIT_REMOTE_REDIRECT_NONE;
  int code = git_remote_download(handle.get(), &array, &options);
  if (code == 0 && refs.size() <= kMostLocalRefs) {
    code = git_remote_update_tips(handle.get(), &options.callbacks, /*update_fetchhead=*/0,
                                  options.download_tags, nullptr);
  }
  if (code < 0) return exchange.error(code);
  return {};
}

}  // namespace

Result<std::vector<RemoteRef>> list_refs(Repository& repository, const Remote& remote,
                                         const std::stop_token& stop) {
  return with_retry(remote.retry, stop, [&] {
    return is_local(remote) ? list_local_refs(remote) : list_once(repository, remote, stop);
  });
}

Status fetch(Repository& repository, const Remote& remote, const std::vector<std::string>& refs,
             const std::stop_token& stop) {
  if (refs.empty()) return {};
  return with_retry(remote.retry, stop, [&] {
    return is_local(remote) ? fetch_local(repository, remote, refs)
                            : fetch_once(repository, remote, refs, stop);
  });
}

}  // namespace hubrev
