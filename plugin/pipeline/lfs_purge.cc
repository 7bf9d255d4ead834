#include "plugin/pipeline/lfs_purge.h"

#include <string_view>

#include "plugin/git/history.h"

namespace hubrev {
namespace {

// git-lfs reads pointers of several versions and dialects; all begin with this word and name their
// object so.
void add_object(std::string_view blob, std::set<Sha256>& objects) {
  constexpr std::string_view kFirstWord = "version ";
  constexpr std::string_view kOid = "sha256:";
  if (!blob.starts_with(kFirstWord)) return;
  const std::size_t at = blob.find(kOid);
  if (at == std::string_view::npos) return;
  if (const auto oid = Sha256::from_hex(blob.substr(at + kOid.size(), 2 * Sha256::kSize))) {
    objects.insert(*oid);
  }
}

}  // namespace

Result<std::set<Sha256>> objects_of(Repository& repository, const std::vector<GitId>& commits) {
  std::set<Sha256> objects;
  HUBREV_CHECK(visit_small_blobs(repository, commits,
                                 [&](std::string_view blob) { add_object(blob, objects); }));
  return objects;
}

Purgeable find_purgeable(const std::vector<StoredLfsFile>& stored, const std::set<Sha256>& needed,
                         const std::set<Sha256>& doomed, std::int64_t now_ms) {
  Purgeable found;
  std::set<Sha256> seen;  // a file may be listed under each of its names
  for (const StoredLfsFile& file : stored) {
    if (needed.contains(file.oid) || !seen.insert(file.oid).second) continue;
    const bool old = file.pushed_ms && now_ms - *file.pushed_ms > kUploadMs;
    (old || doomed.contains(file.oid) ? found.free : found.young).push_back(file);
  }
  return found;
}

}  // namespace hubrev
