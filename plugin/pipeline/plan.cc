#include "plugin/pipeline/plan.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "plugin/lfs/classify.h"
#include "plugin/lfs/gitattributes.h"
#include "plugin/lfs/pointer.h"

namespace hubrev {
namespace {

// What classify() lets into git: text up to 10 MiB.
constexpr std::uint64_t kLargestBlob = 10ull << 20;
constexpr const char* kAttributesFile = ".gitattributes";

}  // namespace

Result<CommitPlan> make_plan(const Snapshot& snapshot) {
  CommitPlan plan;
  StoredPaths stored;
  std::optional<std::string> attributes;
  for (const Entry& entry : snapshot.entries) {
    HUBREV_TRY(const Storage storage, classify(entry));
    if (storage == Storage::kLfs) {
      stored.lfs.push_back(entry.path);
      plan.lfs_files.push_back({entry.path, entry.source});
      continue;
    }
    auto bytes = entry.source.read_all(kLargestBlob);
    if (!bytes.ok()) return with_context(std::move(bytes).error(), entry.path);
    if (entry.path == kAttributesFile) {
      attributes = *std::move(bytes);
    } else {
      stored.git.push_back(entry.path);
      plan.blobs.push_back({entry.path, *std::move(bytes)});
    }
  }
  plan.blobs.push_back({kAttributesFile, gitattributes(stored, attributes)});
  std::stable_sort(
      plan.lfs_files.begin(), plan.lfs_files.end(),
      [](const LfsFile& a, const LfsFile& b) { return a.source.size() > b.source.size(); });
  return plan;
}

CommitContent make_commit_content(CommitPlan plan, const std::vector<LfsObject>& objects,
                                  std::string message, Signature signature) {
  CommitContent content;
  content.files = std::move(plan.blobs);
  for (const LfsObject& object : objects) {
    content.files.push_back({object.path, pointer_text(object.oid, object.size)});
  }
  content.message = std::move(message);
  content.signature = std::move(signature);
  return content;
}

}  // namespace hubrev
