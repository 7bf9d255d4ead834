#include "plugin/pipeline/fetch_revision.h"

#include <algorithm>
#include <set>
#include <utility>

#include "plugin/base/pool.h"
#include "plugin/git/read_commit.h"
#include "plugin/lfs/download.h"
#include "plugin/pipeline/checkout_folder.h"
#include "plugin/pipeline/remote_repository.h"
#include "plugin/pipeline/scratch.h"

namespace hubrev {
namespace {

// Each object once, largest first.
std::vector<LfsDownload> downloads_for(const std::vector<CheckoutFile>& files,
                                       const IncompleteFolder& folder) {
  std::set<Sha256> seen;
  std::vector<LfsDownload> downloads;
  for (const CheckoutFile& file : files) {
    if (file.blob || !seen.insert(file.sha256).second) continue;
    downloads.push_back({{file.sha256, file.size}, file.path, folder.object_path(file.sha256)});
  }
  std::stable_sort(
      downloads.begin(), downloads.end(),
      [](const LfsDownload& a, const LfsDownload& b) { return a.object.size > b.object.size; });
  return downloads;
}

std::uint64_t total(const std::vector<LfsDownload>& downloads) {
  std::uint64_t bytes = 0;
  for (const LfsDownload& item : downloads) bytes += item.object.size;
  return bytes;
}

RetryContext noting_retry(const Connection& connection, FetchProgress& progress) {
  RetryContext retry = connection.retry();
  retry.on_retry = [tell = retry.on_retry, &progress](const Error& error, auto delay) {
    progress.note_retry(error.message);
    if (tell) tell(error, delay);
  };
  return retry;
}

Status write_texts(Repository& repository, const std::vector<CheckoutFile>& files,
                   const IncompleteFolder& folder) {
  for (const CheckoutFile& file : files) {
    if (!file.blob) continue;
    HUBREV_TRY(const std::string bytes, read_blob(repository, *file.blob));
    HUBREV_CHECK(folder.write(file, bytes));
  }
  return {};
}

}  // namespace

void FetchProgress::note_retry(std::string error) {
  const std::lock_guard lock(mutex_);
  last_error_ = std::move(error);
}

std::string FetchProgress::last_error() const {
  const std::lock_guard lock(mutex_);
  return last_error_;
}

Result<FetchedRevision> fetch_revision(Connection& connection, const Settings& settings,
                                       const FetchRequest& request, FetchProgress& progress,
                                       const std::stop_token& stop) {
  HUBREV_TRY(const Target target, connection.locate(settings, "", stop));
  HUBREV_TRY(ScratchRepository scratch, ScratchRepository::create());
  Repository& repository = scratch.repository();
  FetchedRevision fetched;
  fetched.repo_id = target.repo_id;
  HUBREV_TRY(fetched.commit, fetch_commit(repository, connection, target, request.revision, stop));
  HUBREV_TRY(const CommitInfo commit, read_commit(repository, fetched.commit));
  fetched.facts = parse_message(commit.message);
  HUBREV_TRY(fetched.files, plan_checkout(repository, commit));

  ThreadPool pool(settings.concurrency, ThreadPriority::kNormal);
  HUBREV_TRY(const FolderState state, look_at_folder(request.folder, fetched.files, pool, stop));
  if (state == FolderState::kComplete) {
    remove_incomplete(request.folder);
    fetched.changed = false;
    return fetched;
  }
  HUBREV_TRY(const IncompleteFolder folder, IncompleteFolder::take(request.folder));
  HUBREV_CHECK(folder.check_room(fetched.files));
  const std::vector<LfsDownload> downloads = downloads_for(fetched.files, folder);
  progress.bytes_total = total(downloads);
  const LfsServer server{lfs_server_url(target), lfs_credential(target), "", target.endpoint};
  const DownloadContext context{&connection.http(), noting_retry(connection, progress), &pool,
                                &progress.bytes_here, &progress.bytes_received};
  HUBREV_CHECK(download_objects(downloads, server, context, stop));
  HUBREV_CHECK(write_texts(repository, fetched.files, folder));
  HUBREV_CHECK(folder.complete(fetched.files));
  return fetched;
}

}  // namespace hubrev
