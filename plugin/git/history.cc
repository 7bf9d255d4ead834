#include "plugin/git/history.h"

#include <set>
#include <utility>

#include "plugin/git/git_error.h"
#include "plugin/git/git_handles.h"

namespace hubrev {
namespace {

constexpr std::size_t kSmall = 1024;  // bytes

// What cannot be found is missing from the repository, not misspelt by the caller.
Status check_present(int code, const std::string& what) {
  Status status = git_check(code, what);
  if (!status.ok() && status.error().kind == ErrorKind::kNotFound) {
    status.error().kind = ErrorKind::kCorrupt;
  }
  return status;
}

// Each tree and blob is looked at once, so a tree that names the same subtree many times over does
// not unfold without end.
class BlobWalk {
 public:
  BlobWalk(Repository& repository, OdbHandle odb,
           const std::function<void(std::string_view)>& visit)
      : repository_(repository), odb_(std::move(odb)), visit_(visit) {}

  Status walk(const GitId& commit) {
    const git_oid oid = to_oid(commit);
    CommitHandle handle;
    HUBREV_CHECK(check_present(git_commit_lookup(out(handle), repository_.handle(), &oid),
                               "reading commit " + commit.hex()));
    add(*git_commit_tree_id(handle.get()));
    while (!trees_.empty()) {
      const git_oid next = trees_.back();
      trees_.pop_back();
      HUBREV_CHECK(read_tree(next));
    }
    return {};
  }

 private:
  void add(const git_oid& tree) {
    if (seen_.insert(to_id(tree)).second) trees_.push_back(tree);
  }

  Status read_tree(const git_oid& id) {
    TreeHandle tree;
    HUBREV_CHECK(check_present(git_tree_lookup(out(tree), repository_.handle(), &id),
                               "reading folder " + to_id(id).hex()));
    const std::size_t count = git_tree_entrycount(tree.get());
    for (std::size_t i = 0; i < count; ++i) {
      const git_tree_entry* entry = git_tree_entry_byindex(tree.get(), i);
      const git_object_t type = git_tree_entry_type(entry);
      if (type == GIT_OBJECT_TREE) add(*git_tree_entry_id(entry));
      if (type == GIT_OBJECT_BLOB) HUBREV_CHECK(read_blob(*git_tree_entry_id(entry)));
    }
    return {};
  }

  Status read_blob(const git_oid& id) {
    if (!seen_.insert(to_id(id)).second) return {};
    const std::string what = "reading file " + to_id(id).hex();
    std::size_t size = 0;
    git_object_t type = GIT_OBJECT_ANY;
    HUBREV_CHECK(check_present(git_odb_read_header(&size, &type, odb_.get(), &id), what));
    if (size >= kSmall) return {};
    BlobHandle blob;
    HUBREV_CHECK(check_present(git_blob_lookup(out(blob), repository_.handle(), &id), what));
    visit_({static_cast<const char*>(git_blob_rawcontent(blob.get())),
            static_cast<std::size_t>(git_blob_rawsize(blob.get()))});
    return {};
  }

  Repository& repository_;
  OdbHandle odb_;
  const std::function<void(std::string_view)>& visit_;
  std::vector<git_oid> trees_;  // still to be read
  std::set<GitId> seen_;        // trees and blobs
};

}  // namespace

Result<std::string> message_of(Repository& repository, const GitId& commit) {
  const git_oid oid = to_oid(commit);
  CommitHandle handle;
  HUBREV_CHECK(git_check(git_commit_lookup(out(handle), repository.handle(), &oid),
                         "reading commit " + commit.hex()));
  const char* message = git_commit_message(handle.get());
  return std::string(message == nullptr ? "" : message);
}

Result<std::vector<GitId>> history_of(Repository& repository, const GitId& commit) {
  const std::string what = "reading the history of " + commit.hex();
  RevisionWalkHandle walk;
  HUBREV_CHECK(git_check(git_revwalk_new(out(walk), repository.handle()), what));
  const git_oid start = to_oid(commit);
  HUBREV_CHECK(check_present(git_revwalk_push(walk.get(), &start), what));
  std::vector<GitId> commits;
  git_oid next{};
  int code = 0;
  while ((code = git_revwalk_next(&next, walk.get())) == 0) commits.push_back(to_id(next));
  if (code != GIT_ITEROVER) HUBREV_CHECK(check_present(code, what));
  return commits;
}

Status visit_small_blobs(Repository& repository, const std::vector<GitId>& commits,
                         const std::function<void(std::string_view bytes)>& visit) {
  OdbHandle odb;
  HUBREV_CHECK(git_check(git_repository_odb(out(odb), repository.handle()),
                         "opening the objects of " + repository.path()));
  BlobWalk walk(repository, std::move(odb), visit);
  for (const GitId& commit : commits) HUBREV_CHECK(walk.walk(commit));
  return {};
}

}  // namespace hubrev
