#include "plugin/pipeline/round_trip.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plugin/base/sha256.h"
#include "plugin/git/commit_writer.h"
#include "plugin/git/remote.h"
#include "plugin/hub/lfs_files.h"
#include "plugin/lfs/download.h"
#include "plugin/lfs/file_store.h"
#include "plugin/lfs/gitattributes.h"
#include "plugin/lfs/uploader.h"
#include "plugin/pipeline/plan.h"
#include "plugin/pipeline/remote_repository.h"
#include "plugin/pipeline/scratch.h"
#include "plugin/types/address.h"
#include "plugin/types/progress.h"

namespace hubrev {
namespace {

constexpr std::string_view kPrefix = "hub-revisions-doctor-";  // then unix milliseconds
constexpr std::int64_t kAbandonedMs = 3'600'000;
constexpr const char* kProbe = "probe.bin";

std::string random_bytes() {
  std::random_device random;
  std::string bytes(kRoundTripBytes, '\0');
  std::generate(bytes.begin(), bytes.end(), [&] { return static_cast<char>(random() & 0xFFu); });
  return bytes;
}

// When the branch was made, unix milliseconds; nullopt when it is none of ours.
std::optional<std::int64_t> made_at(std::string_view ref) {
  const std::string prefix = branch_ref(kPrefix);
  if (!ref.starts_with(prefix)) return std::nullopt;
  ref.remove_prefix(prefix.size());
  std::int64_t ms = 0;
  const auto [end, error] = std::from_chars(ref.data(), ref.data() + ref.size(), ms);
  if (error != std::errc() || end != ref.data() + ref.size()) return std::nullopt;
  return ms;
}

class RoundTrip {
 public:
  RoundTrip(Connection& connection, Target target, ThreadPool& pool, Clock& clock,
            Repository& repository)
      : connection_(connection),
        target_(std::move(target)),
        pool_(pool),
        clock_(clock),
        repository_(repository),
        remote_(remote_of(connection, target_)) {}

  // There and back.
  Status make(const std::stop_token& stop) {
    const std::string bytes = random_bytes();
    const LfsServer server{lfs_server_url(target_), lfs_credential(target_),
                           branch_ref(target_.revision), target_.endpoint};
    CommitPlan plan;
    plan.lfs_files = {{kProbe, Source::from_bytes(bytes)}};
    plan.blobs = {{".gitattributes", gitattributes({{kProbe}, {}}, std::nullopt)}};
    sent_ = sha256(bytes);
    HUBREV_TRY(const std::vector<LfsObject> objects, upload(plan, server, stop));
    const CommitContent content = make_commit_content(
        std::move(plan), objects, "Try a round trip; may be removed\n", own_signature(clock_));
    HUBREV_TRY(const GitId commit, write_root_commit(repository_, content));
    PushRequest request;
    request.commit = commit;
    request.ref = branch_ref(target_.revision);
    request.policy = RefPolicy::kReplaceOwn;
    pushed_ = commit;
    HUBREV_CHECK(push(repository_, remote_, request, stop));
    return read_back(commit, server, stop);
  }

  // What make() has left, however far it came, and what killed processes did.
  Status remove() {
    const std::stop_token never;
    if (pushed_) {
      HUBREV_TRY(const std::vector<RemoteRef> refs, list_refs(repository_, remote_, never));
      std::vector<RefDeletion> deletions;
      for (const RemoteRef& ref : refs) {
        const std::optional<std::int64_t> made = made_at(ref.name);
        const bool ours = ref.name == branch_ref(target_.revision) && ref.id == *pushed_;
        if (ours || (made && *made < clock_.unix_ms() - kAbandonedMs)) {
          deletions.push_back({ref.name, ref.id});
        }
      }
      if (!deletions.empty()) HUBREV_CHECK(delete_all(deletions, never));
    }
    return sent_ ? free_object(*sent_) : Status();
  }

 private:
  Result<std::vector<LfsObject>> upload(const CommitPlan& plan, const LfsServer& server,
                                        const std::stop_token& stop) {
    Progress progress;
    progress.bytes_total = kRoundTripBytes;
    UploadContext context;
    context.http = &connection_.http();
    context.retry = connection_.retry();
    context.pool = &pool_;
    context.progress = &progress;
    context.in_flight = &connection_.in_flight();
    return upload_files(plan.lfs_files, server, context, stop);
  }

  Status read_back(const GitId& commit, const LfsServer& server, const std::stop_token& stop) {
    HUBREV_TRY(ScratchRepository fresh, ScratchRepository::create());
    HUBREV_CHECK(fetch(fresh.repository(), remote_, {branch_ref(target_.revision)}, stop));
    HUBREV_CHECK(tree_id(fresh.repository(), commit));
    std::atomic<std::uint64_t> here = 0;
    std::atomic<std::uint64_t> received = 0;
    const DownloadContext context{&connection_.http(), connection_.retry(), &pool_, &here,
                                  &received};
    const std::string file = fresh.repository().path() + "/" + kProbe;
    return download_objects({{{*sent_, kRoundTripBytes}, kProbe, file}}, server, context, stop);
  }

  // A git server has no way to do so.
  Status free_object(const Sha256& oid) {
    if (is_file_url(lfs_server_url(target_))) {
      return delete_object(file_url_path(lfs_server_url(target_)), oid);
    }
    if (target_.provider != Provider::kHub) return {};
    const HubConnection hub{&connection_.http(), connection_.retry(), target_.endpoint,
                            target_.token};
    const Status freed = delete_lfs_files(hub, target_.repo_id, {oid}, std::stop_token());
    // Who may push may not always free storage; one kibibyte is no reason to fail.
    return freed.ok() || !retryable(freed.error().kind) ? Status() : freed;
  }

  Status delete_all(const std::vector<RefDeletion>& deletions, const std::stop_token& stop) {
    HUBREV_TRY(const auto results, delete_refs(repository_, remote_, deletions, stop));
    for (const auto& result : results) {
      if (!result.ok()) return result.error();
    }
    return {};
  }

  Connection& connection_;
  const Target target_;
  ThreadPool& pool_;
  Clock& clock_;
  Repository& repository_;
  const Remote remote_;
  std::optional<Sha256> sent_;   // set before the first byte goes
  std::optional<GitId> pushed_;  // set before the branch may exist
};

}  // namespace

Status round_trip(Connection& connection, Target target, ThreadPool& pool, Clock& clock,
                  const std::stop_token& stop) {
  target.revision = std::string(kPrefix) + std::to_string(clock.unix_ms());
  HUBREV_TRY(ScratchRepository scratch, ScratchRepository::create());
  RoundTrip trip(connection, target, pool, clock, scratch.repository());
  const Status made = trip.make(stop);
  const Status removed = trip.remove();
  if (removed.ok()) return made;
  const std::string left = "branch '" + target.revision + "' could not be removed";
  return with_context(removed.error(), made.ok() ? left : made.error().message + "; " + left);
}

}  // namespace hubrev
