#include "plugin/git/local_remote.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

#include "plugin/base/file.h"
#include "plugin/git/git_error.h"
#include "plugin/git/git_handles.h"
#include "plugin/git/ref_update.h"
#include "plugin/types/address.h"

namespace hubrev {
namespace {

constexpr const char* kReflogEntry = "hub-revisions";

struct LocalRepository {
  std::string folder;
  RepositoryHandle handle;
};

// As bare, which leaves its owner unasked: a shared repository is mostly a colleague's, and nothing
// in it is run.
Result<LocalRepository> open_local(const Remote& remote) {
  LocalRepository local{file_url_path(remote.url), nullptr};
  const int code = git_repository_open_bare(out(local.handle), local.folder.c_str());
  if (code == GIT_ENOTFOUND) {
    return make_error(ErrorKind::kNotFound, local.folder + " is no bare git repository");
  }
  HUBREV_CHECK(git_check(code, "opening " + local.folder));
  return local;
}

Error local_error(int code, const std::string& what) {
  Error error = git_error(code, what);
  if (code == GIT_ELOCKED) error.kind = ErrorKind::kServer;
  if (code == GIT_EMODIFIED || code == GIT_EEXISTS) error.kind = ErrorKind::kConflict;
  return error;
}

Status local_check(int code, const std::string& what) {
  if (code < 0) return local_error(code, what);
  return {};
}

Result<std::optional<GitId>> read_ref(const LocalRepository& remote, const std::string& ref) {
  git_oid id{};
  const int code = git_reference_name_to_id(&id, remote.handle.get(), ref.c_str());
  if (code == GIT_ENOTFOUND) return std::optional<GitId>();
  HUBREV_CHECK(local_check(code, "reading " + ref + " of " + remote.folder));
  return std::optional(to_id(id));
}

Result<OdbHandle> objects_of(git_repository* repository, const std::string& folder) {
  OdbHandle odb;
  HUBREV_CHECK(git_check(git_repository_odb(out(odb), repository), "opening objects of " + folder));
  return odb;
}

// The commit and what it needs, without what the remote has of its parents.
Status choose_objects(git_packbuilder* pack, Repository& repository, git_odb* remote_objects,
                      const git_oid& id) {
  const std::string what = "packing commit " + to_id(id).hex();
  RevisionWalkHandle walk;
  HUBREV_CHECK(git_check(git_revwalk_new(out(walk), repository.handle()), what));
  HUBREV_CHECK(git_check(git_revwalk_push(walk.get(), &id), what));
  CommitHandle commit;
  HUBREV_CHECK(git_check(git_commit_lookup(out(commit), repository.handle(), &id), what));
  for (unsigned i = 0; i < git_commit_parentcount(commit.get()); ++i) {
    const git_oid* parent = git_commit_parent_id(commit.get(), i);
    if (git_odb_exists(remote_objects, parent) == 0) continue;
    HUBREV_CHECK(git_check(git_revwalk_hide(walk.get(), parent), what));
  }
  return git_check(git_packbuilder_insert_walk(pack, walk.get()), what);
}

// As one pack, which has its name only when it is whole. On disk when this returns.
Status copy_objects(Repository& repository, const LocalRepository& remote, const GitId& commit) {
  HUBREV_TRY(const OdbHandle objects, objects_of(remote.handle.get(), remote.folder));
  const git_oid id = to_oid(commit);
  if (git_odb_exists(objects.get(), &id) != 0) return {};
  PackBuilderHandle pack;
  HUBREV_CHECK(git_check(git_packbuilder_new(out(pack), repository.handle()), "packing a commit"));
  HUBREV_CHECK(choose_objects(pack.get(), repository, objects.get(), id));
  const std::string folder = remote.folder + "/objects/pack";
  HUBREV_CHECK(git_check(git_packbuilder_write(pack.get(), folder.c_str(), 0, nullptr, nullptr),
                         "writing a pack to " + folder));
  const std::string name = folder + "/pack-" + git_packbuilder_name(pack.get());
  for (const std::string& path : {name + ".pack", name + ".idx", folder}) {
    HUBREV_CHECK(sync_to_disk(path));
  }
  return {};
}

// A ref's file, and the folders that were made for it.
Status sync_ref(const LocalRepository& remote, const std::string& ref) {
  namespace fs = std::filesystem;
  const fs::path root(remote.folder);
  for (fs::path path = root / ref; path != root; path = path.parent_path()) {
    HUBREV_CHECK(sync_to_disk(path.string()));
  }
  return {};
}

}  // namespace

bool is_local(const Remote& remote) {
  return is_file_url(remote.url);
}

Result<std::vector<RemoteRef>> list_local_refs(const Remote& remote) {
  HUBREV_TRY(const LocalRepository local, open_local(remote));
  const std::string what = "reading the refs of " + local.folder;
  ReferenceIteratorHandle iterator;
  HUBREV_CHECK(git_check(git_reference_iterator_new(out(iterator), local.handle.get()), what));
  std::vector<RemoteRef> refs;
  for (;;) {
    ReferenceHandle ref;
    const int code = git_reference_next(out(ref), iterator.get());
    if (code == GIT_ITEROVER) break;
    HUBREV_CHECK(local_check(code, what));
    if (const git_oid* id = git_reference_target(ref.get())) {
      refs.push_back({git_reference_name(ref.get()), to_id(*id)});
    }
  }
  std::sort(refs.begin(), refs.end(),
            [](const RemoteRef& a, const RemoteRef& b) { return a.name < b.name; });
  return refs;
}

Status fetch_local(Repository& repository, const Remote& remote,
                   const std::vector<std::string>& refs) {
  HUBREV_TRY(const LocalRepository local, open_local(remote));
  HUBREV_TRY(const OdbHandle objects, objects_of(repository.handle(), repository.path()));
  std::vector<git_oid> missing;
  for (const std::string& ref : refs) {
    HUBREV_TRY(const std::optional<GitId> id, read_ref(local, ref));
    if (!id) return make_error(ErrorKind::kNotFound, local.folder + " has no " + ref);
    if (const git_oid oid = to_oid(*id); git_odb_exists(objects.get(), &oid) == 0) {
      missing.push_back(oid);
    }
  }
  if (missing.empty()) return {};
  const std::string folder = local.folder + "/objects";
  HUBREV_CHECK(git_check(git_odb_add_disk_alternate(objects.get(), folder.c_str()),
                         "reading objects from " + folder));
  for (const git_oid& oid : missing) {
    if (git_odb_exists(objects.get(), &oid) != 0) continue;
    return make_error(ErrorKind::kCorrupt,
                      local.folder + " lacks object " + to_id(oid).hex() + ", which a ref names");
  }
  return {};
}

Result<PushOutcome> push_local(Repository& repository, const Remote& remote,
                               const PushRequest& request) {
  HUBREV_TRY(const LocalRepository local, open_local(remote));
  HUBREV_TRY(const std::optional<GitId> current, read_ref(local, request.ref));
  if (current == request.commit) return PushOutcome{PushResult::kAlreadyThere, current, ""};
  HUBREV_CHECK(check_replaceable(request, current));
  HUBREV_CHECK(copy_objects(repository, local, request.commit));
  const git_oid id = to_oid(request.commit);
  // All zeros: it must not exist. Without `force` libgit2 looks for that before it has the lock.
  const git_oid expected = to_oid(current.value_or(GitId()));
  ReferenceHandle reference;
  const int code =
      git_reference_create_matching(out(reference), local.handle.get(), request.ref.c_str(), &id,
                                    /*force=*/1, &expected, kReflogEntry);
  if (code < 0) {
    const Error error = local_error(code, "moving " + request.ref + " of " + local.folder);
    const auto refs = list_local_refs(remote);
    if (!refs.ok()) return error;
    for (const RemoteRef& other : *refs) {
      if (exclude_each_other(other.name, request.ref)) return name_taken(request.ref, other.name);
    }
    return error;
  }
  HUBREV_CHECK(sync_ref(local, request.ref));
  return PushOutcome{PushResult::kPushed, current, ""};
}

Result<DeleteResult> delete_local_ref(const Remote& remote, const RefDeletion& deletion) {
  HUBREV_TRY(const LocalRepository local, open_local(remote));
  ReferenceHandle reference;
  const int code = git_reference_lookup(out(reference), local.handle.get(), deletion.ref.c_str());
  if (code == GIT_ENOTFOUND) return DeleteResult::kAlreadyGone;
  const std::string what = "deleting " + deletion.ref + " of " + local.folder;
  HUBREV_CHECK(local_check(code, what));
  const git_oid* id = git_reference_target(reference.get());
  const GitId current = id == nullptr ? GitId() : to_id(*id);
  if (current != deletion.expected) return moved_before_deletion(deletion, current);
  // Compares once more, under the lock.
  HUBREV_CHECK(local_check(git_reference_delete(reference.get()), what));
  return DeleteResult::kDeleted;
}

}  // namespace hubrev
