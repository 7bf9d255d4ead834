#include "plugin/git/read_commit.h"

#include <utility>

#include "plugin/git/git_error.h"
#include "plugin/git/git_handles.h"

namespace hubrev {
namespace {

// A tree may name the same subtree many times over, so a small pack can unfold without end.
constexpr std::size_t kMaxFiles = 100'000;
constexpr std::size_t kMaxDepth = 64;
constexpr std::uint64_t kSmall = 1024;  // bytes

class TreeReader {
 public:
  static Result<TreeReader> open(Repository& repository) {
    OdbHandle odb;
    HUBREV_CHECK(git_check(git_repository_odb(out(odb), repository.handle()),
                           "opening the objects of " + repository.path()));
    return TreeReader(repository, std::move(odb));
  }

  Status read(const git_oid& id, const std::string& folder, std::size_t depth) {
    if (depth > kMaxDepth) return too_much("'" + folder + "' is nested too deep");
    TreeHandle tree;
    HUBREV_CHECK(missing_is_corrupt(git_tree_lookup(out(tree), repository_->handle(), &id),
                                    "reading folder '" + folder + "'"));
    const std::size_t count = git_tree_entrycount(tree.get());
    for (std::size_t i = 0; i < count; ++i) {
      const git_tree_entry* entry = git_tree_entry_byindex(tree.get(), i);
      const std::string path = folder + git_tree_entry_name(entry);
      if (git_tree_entry_type(entry) == GIT_OBJECT_TREE) {
        // Every folder counts as well: empty ones nested in each other hold no file at all.
        if (++seen_ > kMaxFiles) return too_much("it has too many folders");
        HUBREV_CHECK(read(*git_tree_entry_id(entry), path + "/", depth + 1));
      } else {
        HUBREV_CHECK(add(*entry, path));
      }
    }
    return {};
  }

  std::vector<TreeFile> take() { return std::move(files_); }

 private:
  TreeReader(Repository& repository, OdbHandle odb)
      : repository_(&repository), odb_(std::move(odb)) {}

  static Error too_much(const std::string& why) {
    return make_error(ErrorKind::kRejected, "the commit's tree cannot be listed: " + why);
  }

  static Status missing_is_corrupt(int code, const std::string& what) {
    Status status = git_check(code, what);
    if (!status.ok() && status.error().kind == ErrorKind::kNotFound) {
      status.error().kind = ErrorKind::kCorrupt;
    }
    return status;
  }

  Status add(const git_tree_entry& entry, const std::string& path) {
    if (++seen_ > kMaxFiles) return too_much("it has too many files");
    TreeFile file;
    file.path = path;
    file.mode = static_cast<std::uint32_t>(git_tree_entry_filemode(&entry));
    file.id = to_id(*git_tree_entry_id(&entry));
    if (git_tree_entry_type(&entry) == GIT_OBJECT_BLOB) {
      const git_oid* id = git_tree_entry_id(&entry);
      std::size_t size = 0;
      git_object_t type = GIT_OBJECT_ANY;
      HUBREV_CHECK(missing_is_corrupt(git_odb_read_header(&size, &type, odb_.get(), id),
                                      "reading '" + path + "'"));
      file.size = size;
      if (size < kSmall) {
        BlobHandle blob;
        HUBREV_CHECK(missing_is_corrupt(git_blob_lookup(out(blob), repository_->handle(), id),
                                        "reading '" + path + "'"));
        file.small_bytes.assign(static_cast<const char*>(git_blob_rawcontent(blob.get())),
                                static_cast<std::size_t>(git_blob_rawsize(blob.get())));
      }
    }
    files_.push_back(std::move(file));
    return {};
  }

  Repository* repository_;
  OdbHandle odb_;
  std::vector<TreeFile> files_;
  std::size_t seen_ = 0;  // files and folders
};

}  // namespace

Result<CommitInfo> read_commit(Repository& repository, const GitId& commit) {
  const git_oid oid = to_oid(commit);
  CommitHandle handle;
  HUBREV_CHECK(git_check(git_commit_lookup(out(handle), repository.handle(), &oid),
                         "looking for commit " + commit.hex()));
  CommitInfo info;
  info.id = commit;
  if (const char* message = git_commit_message(handle.get())) info.message = message;
  info.unix_seconds = git_commit_time(handle.get());
  for (unsigned i = 0; i < git_commit_parentcount(handle.get()); ++i) {
    info.parents.push_back(to_id(*git_commit_parent_id(handle.get(), i)));
  }
  HUBREV_TRY(TreeReader reader, TreeReader::open(repository));
  HUBREV_CHECK(reader.read(*git_commit_tree_id(handle.get()), "", 1));
  info.files = reader.take();
  return info;
}

Result<GitId> peel_to_commit(Repository& repository, const GitId& id) {
  const git_oid oid = to_oid(id);
  ObjectHandle object;
  HUBREV_CHECK(git_check(git_object_lookup(out(object), repository.handle(), &oid, GIT_OBJECT_ANY),
                         "looking for " + id.hex()));
  ObjectHandle commit;
  if (git_object_peel(out(commit), object.get(), GIT_OBJECT_COMMIT) < 0) {
    return make_error(ErrorKind::kNotFound, id.hex() + " leads to no commit");
  }
  return to_id(*git_object_id(commit.get()));
}

Result<std::string> read_blob(Repository& repository, const GitId& id) {
  const git_oid oid = to_oid(id);
  BlobHandle blob;
  HUBREV_CHECK(
      git_check(git_blob_lookup(out(blob), repository.handle(), &oid), "reading blob " + id.hex()));
  return std::string(static_cast<const char*>(git_blob_rawcontent(blob.get())),
                     static_cast<std::size_t>(git_blob_rawsize(blob.get())));
}

}  // namespace hubrev
