#include "plugin/pipeline/contents.h"

#include <algorithm>
#include <utility>

#include "plugin/git/read_commit.h"
#include "plugin/lfs/pointer.h"
#include "plugin/pipeline/remote_repository.h"
#include "plugin/pipeline/scratch.h"

namespace hubrev {
namespace {

constexpr std::uint64_t kMaxRecordBytes = std::uint64_t{1} << 20;
constexpr std::uint64_t kMaxTextBytes = std::uint64_t{16} << 20;

std::string_view short_name(const RemoteRef& ref, std::string_view prefix) {
  return std::string_view(ref.name).substr(prefix.size());
}

RevisionInfo describe(std::string name, const CommitInfo& commit) {
  RevisionInfo info;
  info.name = std::move(name);
  info.commit = commit.id;
  info.title = commit.message.substr(0, commit.message.find('\n'));
  info.unix_seconds = commit.unix_seconds;
  info.facts = parse_message(commit.message);
  info.parents = commit.parents;
  for (const TreeFile& file : commit.files) {
    RevisionFile out{file.path, file.size, ""};
    if (const auto pointer = parse_pointer(file.small_bytes)) {
      out.size = pointer->size;
      out.oid = pointer->oid.hex();
    }
    info.files.push_back(std::move(out));
  }
  return info;
}

bool by_step_and_name(const RevisionInfo& a, const RevisionInfo& b) {
  const auto step = [](const RevisionInfo& info) { return info.facts.step.value_or(-1); };
  return std::pair(step(a), a.name) < std::pair(step(b), b.name);
}

Result<RevisionInfo> read_revision(Repository& repository, const RemoteRef& ref) {
  std::string name(short_name(ref, kBranchPrefix));
  auto commit = read_commit(repository, ref.id);
  if (!commit.ok() && commit.error().kind == ErrorKind::kRejected) {
    // Somebody else's branch with more files than any model has: named, but not described.
    RevisionInfo info;
    info.name = std::move(name);
    info.commit = ref.id;
    info.title = commit.error().message;
    return info;
  }
  if (!commit.ok()) return std::move(commit).error();
  return describe(std::move(name), *commit);
}

Result<std::map<std::string, std::string>> read_records(Repository& repository,
                                                        const GitId& commit) {
  std::map<std::string, std::string> records;
  HUBREV_TRY(const CommitInfo info, read_commit(repository, commit));
  for (const TreeFile& file : info.files) {
    if (file.size > kMaxRecordBytes) continue;
    HUBREV_TRY(records[file.path], read_blob(repository, file.id));
  }
  return records;
}

}  // namespace

Result<RepositoryContents> read_contents(Connection& connection, const Settings& settings,
                                         const std::stop_token& stop) {
  HUBREV_TRY(const Target target, connection.locate(settings, "", stop));
  HUBREV_TRY(ScratchRepository scratch, ScratchRepository::create());
  Repository& repository = scratch.repository();
  const Remote remote = remote_of(connection, target);
  HUBREV_TRY(std::vector<RemoteRef> refs, list_refs(repository, remote, stop));
  std::erase_if(refs, [](const RemoteRef& ref) {
    return !ref.name.starts_with(kBranchPrefix) && !ref.name.starts_with(kTagPrefix);
  });
  std::vector<std::string> names;
  names.reserve(refs.size());
  for (const RemoteRef& ref : refs) names.push_back(ref.name);
  HUBREV_CHECK(fetch(repository, remote, names, stop));

  RepositoryContents contents;
  contents.repo_id = target.repo_id;
  for (const RemoteRef& ref : refs) {
    if (ref.name.starts_with(kTagPrefix)) {
      // A tag may stand for anything; one that is no commit is no revision.
      const auto commit = peel_to_commit(repository, ref.id);
      if (commit.ok()) contents.tags.push_back({std::string(short_name(ref, kTagPrefix)), *commit});
    } else if (short_name(ref, kBranchPrefix) == kRecordsBranch) {
      contents.records_commit = ref.id;
      HUBREV_TRY(contents.records, read_records(repository, ref.id));
    } else {
      HUBREV_TRY(RevisionInfo info, read_revision(repository, ref));
      contents.revisions.push_back(std::move(info));
    }
  }
  std::sort(contents.revisions.begin(), contents.revisions.end(), by_step_and_name);
  return contents;
}

Result<std::map<std::string, std::string>> read_files(Connection& connection,
                                                      const Settings& settings,
                                                      const std::string& revision,
                                                      const std::vector<std::string>& paths,
                                                      const std::stop_token& stop) {
  HUBREV_TRY(const Target target, connection.locate(settings, "", stop));
  HUBREV_TRY(ScratchRepository scratch, ScratchRepository::create());
  Repository& repository = scratch.repository();
  HUBREV_TRY(const GitId commit, fetch_commit(repository, connection, target, revision, stop));
  HUBREV_TRY(const CommitInfo info, read_commit(repository, commit));
  std::map<std::string, std::string> texts;
  for (const TreeFile& file : info.files) {
    const bool wanted = std::find(paths.begin(), paths.end(), file.path) != paths.end();
    if (!wanted || file.size > kMaxTextBytes || parse_pointer(file.small_bytes)) continue;
    HUBREV_TRY(texts[file.path], read_blob(repository, file.id));
  }
  return texts;
}

}  // namespace hubrev
