#include "plugin/pipeline/prune.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "plugin/git/history.h"
#include "plugin/git/read_commit.h"
#include "plugin/lfs/file_store.h"
#include "plugin/pipeline/lfs_purge.h"
#include "plugin/pipeline/message.h"
#include "plugin/pipeline/remote_repository.h"
#include "plugin/pipeline/scratch.h"
#include "plugin/types/address.h"

namespace hubrev {
namespace {

// What a repository's refs lead to at one moment.
struct Picture {
  std::vector<KnownRef> refs;
  std::string unreadable;  // a ref that leads to no commit, so that nobody knows what it needs
};

Result<Picture> look(Repository& repository, const Remote& remote, const std::stop_token& stop) {
  HUBREV_TRY(const std::vector<RemoteRef> refs, list_refs(repository, remote, stop));
  std::vector<std::string> names;
  std::transform(refs.begin(), refs.end(), std::back_inserter(names),
                 [](const RemoteRef& ref) { return ref.name; });
  HUBREV_CHECK(fetch(repository, remote, names, stop));
  Picture picture;
  for (const RemoteRef& ref : refs) {
    auto commit = peel_to_commit(repository, ref.id);
    if (!commit.ok()) {
      picture.unreadable = ref.name;
      continue;
    }
    KnownRef known;
    known.name = ref.name;
    known.commit = *commit;
    HUBREV_TRY(const std::string message, message_of(repository, *commit));
    const RevisionFacts facts = parse_message(message);
    known.published_as = facts.revision;
    known.step = facts.step.value_or(-1);
    HUBREV_TRY(known.history, history_of(repository, *commit));
    picture.refs.push_back(std::move(known));
  }
  return picture;
}

class Pruning {
 public:
  Pruning(const PruneRequest& request, const Connection& connection, Target target,
          Repository& repository, Clock& clock, std::stop_token stop)
      : request_(request),
        hub_{&connection.http(), connection.retry(), target.endpoint, target.token},
        target_(std::move(target)),
        remote_(remote_of(connection, target_)),
        repository_(repository),
        clock_(clock),
        stop_(std::move(stop)) {}

  Result<PruneOutcome> run() {
    HUBREV_TRY(picture_, look(repository_, remote_, stop_));
    outcome_.revisions = judge(request_.revisions, picture_.refs);
    // Looked up now: once the branches are gone, another run could not.
    HUBREV_TRY(const std::set<Sha256> doomed, objects_of(repository_, doomed_commits()));
    if (request_.mode == PruneMode::kApply) HUBREV_CHECK(delete_revisions());
    if (request_.purge == LfsPurge::kPurge) {
      const Status purged = purge(doomed);
      if (!purged.ok() && purged.error().kind == ErrorKind::kCancelled) return purged.error();
      if (!purged.ok()) outcome_.files.problem = purged.error().message;
    }
    return std::move(outcome_);
  }

 private:
  std::vector<GitId> doomed_commits() const {
    std::vector<GitId> commits;
    for (const PrunedRevision& one : outcome_.revisions) {
      if (one.verdict == PruneVerdict::kDeleted) commits.push_back(one.commit);
    }
    return commits;
  }

  // A refusal that is about one branch keeps that one; any other Error ends it.
  Status delete_revisions() {
    std::vector<PrunedRevision*> doomed;
    std::vector<RefDeletion> deletions;
    for (PrunedRevision& one : outcome_.revisions) {
      if (one.verdict != PruneVerdict::kDeleted) continue;
      doomed.push_back(&one);
      deletions.push_back({branch_ref(one.revision), one.commit});
    }
    HUBREV_TRY(const auto results, delete_refs(repository_, remote_, deletions, stop_));
    for (std::size_t i = 0; i < doomed.size(); ++i) {
      if (results[i].ok()) continue;
      const Error& error = results[i].error();
      if (error.kind != ErrorKind::kConflict && error.kind != ErrorKind::kRejected) return error;
      doomed[i]->verdict = PruneVerdict::kKept;
      doomed[i]->reason = error.message;
    }
    return {};
  }

  Status purge(const std::set<Sha256>& doomed) {
    // Before the refs: what is sent and committed in between is then not on the list.
    HUBREV_TRY(const auto stored, stored_files());
    if (!stored) return no_way();
    if (request_.mode == PruneMode::kApply) {
      HUBREV_TRY(picture_, look(repository_, remote_, stop_));
    }
    if (!picture_.unreadable.empty()) {
      return make_error(ErrorKind::kRejected, picture_.unreadable +
                                                  " leads to no commit, so it cannot be told which "
                                                  "files it needs; nothing was freed");
    }
    HUBREV_TRY(const std::set<Sha256> needed, objects_of(repository_, remaining_commits()));
    const Purgeable purgeable = find_purgeable(*stored, needed, doomed, clock_.unix_ms());
    for (const StoredLfsFile& file : purgeable.young) {
      ++outcome_.files.young_objects;
      outcome_.files.young_bytes += file.size;
    }
    return free_files(purgeable.free);
  }

  // nullopt where the server has no way to tell.
  Result<std::optional<std::vector<StoredLfsFile>>> stored_files() const {
    if (target_.provider == Provider::kHub) {
      return list_lfs_files(hub_, target_.repo_id, stop_);
    }
    std::optional<std::vector<StoredLfsFile>> files;
    if (target_.provider != Provider::kFile || !target_.lfs_url.empty()) return files;
    HUBREV_TRY(const std::vector<FileObject> objects, list_objects(folder()));
    files.emplace();
    for (const FileObject& object : objects) {
      files->push_back({object.oid, object.size, object.stored_ms});
    }
    return files;
  }

  Status delete_files(const std::vector<Sha256>& oids) const {
    if (target_.provider == Provider::kHub) {
      return delete_lfs_files(hub_, target_.repo_id, oids, stop_);
    }
    for (const Sha256& oid : oids) HUBREV_CHECK(delete_object(folder(), oid));
    return {};
  }

  std::string folder() const { return file_url_path(repository_url(target_)); }

  // Of all refs but those that would be deleted.
  std::vector<GitId> remaining_commits() const {
    std::set<std::string> deleted;
    for (const PrunedRevision& one : outcome_.revisions) {
      if (one.verdict == PruneVerdict::kDeleted && request_.mode == PruneMode::kPlan) {
        deleted.insert(branch_ref(one.revision));
      }
    }
    std::set<GitId> commits;
    for (const KnownRef& ref : picture_.refs) {
      if (!deleted.contains(ref.name)) commits.insert(ref.history.begin(), ref.history.end());
    }
    return {commits.begin(), commits.end()};
  }

  Status free_files(const std::vector<StoredLfsFile>& files) {
    for (std::size_t begin = 0; begin < files.size(); begin += kMaxLfsDeletions) {
      std::vector<Sha256> oids;
      std::uint64_t bytes = 0;
      for (std::size_t i = begin; i < std::min(files.size(), begin + kMaxLfsDeletions); ++i) {
        oids.push_back(files[i].oid);
        bytes += files[i].size;
      }
      if (request_.mode == PruneMode::kApply) {
        HUBREV_CHECK(delete_files(oids));
      }
      outcome_.files.objects += oids.size();
      outcome_.files.bytes += bytes;
    }
    return {};
  }

  Error no_way() const {
    return make_error(
        ErrorKind::kNotFound,
        url_host(target_.endpoint) + " has no way to delete large files; they stay on the server");
  }

  const PruneRequest& request_;
  const HubConnection hub_;
  const Target target_;
  const Remote remote_;
  Repository& repository_;
  Clock& clock_;
  const std::stop_token stop_;
  Picture picture_;
  PruneOutcome outcome_;
};

}  // namespace

Result<PruneOutcome> prune(Connection& connection, const Settings& settings,
                           const PruneRequest& request, Clock& clock, const std::stop_token& stop) {
  HUBREV_TRY(Target target, connection.locate(settings, "", stop));
  HUBREV_TRY(ScratchRepository scratch, ScratchRepository::create());
  Pruning pruning(request, connection, std::move(target), scratch.repository(), clock, stop);
  return pruning.run();
}

}  // namespace hubrev
