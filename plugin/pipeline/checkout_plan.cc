#include "plugin/pipeline/checkout_plan.h"

#include <set>
#include <utility>

#include "plugin/base/sha256.h"
#include "plugin/pipeline/message.h"
#include "plugin/snapshot/path_rules.h"

namespace hubrev {
namespace {

constexpr std::uint32_t kTypeMask = 0170000;  // of git's file modes, which are stat(2)'s
constexpr std::uint32_t kRegular = 0100000;

Error refused(const std::string& path, const std::string& why) {
  return make_error(ErrorKind::kRejected,
                    "the revision cannot be fetched: '" + shown_path(path) + "' " + why);
}

Status check_file(const TreeFile& file, std::set<std::string>& seen) {
  if ((file.mode & kTypeMask) != kRegular) {
    return refused(file.path, "is no regular file (a symbolic link or a submodule)");
  }
  if (const auto problem = path_problem(file.path)) {
    return refused(file.path, "has a name that " + std::string(*problem));
  }
  if (!seen.insert(file.path).second) return refused(file.path, "occurs twice");
  return {};
}

Result<CheckoutFile> plan_file(Repository& repository, const TreeFile& file) {
  if (const auto pointer = parse_pointer(file.small_bytes)) {
    return CheckoutFile{file.path, pointer->size, pointer->oid, std::nullopt};
  }
  HUBREV_TRY(const std::string bytes, read_blob(repository, file.id));
  return CheckoutFile{file.path, bytes.size(), sha256(bytes), file.id};
}

Status check_digest(const std::vector<CheckoutFile>& files, const CommitInfo& commit) {
  const std::string published = parse_message(commit.message).content_digest;
  if (published.empty()) return {};
  std::vector<FileDigest> digests;
  for (const CheckoutFile& file : files) digests.push_back({file.path, file.sha256});
  const std::string digest = content_digest(std::move(digests));
  if (digest == published) return {};
  return make_error(ErrorKind::kCorrupt, "commit " + commit.id.hex() +
                                             " does not hold what was published: its files have "
                                             "the content digest " +
                                             digest + ", its message names " + published);
}

}  // namespace

Result<std::vector<CheckoutFile>> plan_checkout(Repository& repository, const CommitInfo& commit) {
  std::set<std::string> seen;
  std::vector<CheckoutFile> files;
  for (const TreeFile& file : commit.files) {
    HUBREV_CHECK(check_file(file, seen));
    HUBREV_TRY(CheckoutFile planned, plan_file(repository, file));
    files.push_back(std::move(planned));
  }
  HUBREV_CHECK(check_digest(files, commit));
  return files;
}

}  // namespace hubrev
