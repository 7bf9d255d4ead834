#include "plugin/git/commit_writer.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>
#include <variant>

#include "plugin/git/git_error.h"
#include "plugin/git/git_handles.h"
#include "plugin/git/read_commit.h"

namespace hubrev {
namespace {

constexpr std::size_t kMaxDepth = 64;  // bounds the recursion over folders

struct Blob {
  git_oid id{};
  git_filemode_t mode = GIT_FILEMODE_BLOB;
};

// A folder on its way to a tree object.
struct Folder {
  std::map<std::string, std::variant<Blob, Folder>, std::less<>> entries;
};

Error bad_path(std::string_view path, std::string_view why) {
  return make_error(ErrorKind::kInvalidInput, "'" + std::string(path) +
                                                  "' cannot be a path in a git repository: " +
                                                  std::string(why) + "; rename it or leave it out");
}

bool is_dot_git(std::string_view part) {
  constexpr std::string_view kName = ".git";
  return std::equal(part.begin(), part.end(), kName.begin(), kName.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; });
}

Result<std::vector<std::string_view>> split_path(std::string_view path) {
  if (path.empty()) return bad_path(path, "it is empty");
  if (path.front() == '/') return bad_path(path, "it is absolute");
  if (path.find('\0') != std::string_view::npos) return bad_path(path, "it holds a NUL byte");
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty()) return bad_path(path, "a part between slashes is empty");
    if (part == "." || part == "..") return bad_path(path, "it holds '.' or '..'");
    if (is_dot_git(part)) return bad_path(path, "git reserves '.git'");
    parts.push_back(part);
    begin = end + 1;
  }
  if (parts.size() > kMaxDepth) return bad_path(path, "it is nested too deep");
  return parts;
}

Status place(Folder& root, const std::string& path, const Blob& blob) {
  HUBREV_TRY(const std::vector<std::string_view> parts, split_path(path));
  Folder* folder = &root;
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    auto& entry = folder->entries.try_emplace(std::string(parts[i]), Folder()).first->second;
    folder = std::get_if<Folder>(&entry);
    if (folder == nullptr) return bad_path(path, "one of its folders is also a file");
  }
  const auto [at, added] = folder->entries.try_emplace(std::string(parts.back()), blob);
  if (added) return {};
  const bool twice = std::holds_alternative<Blob>(at->second);
  return bad_path(path, twice ? "it is given twice" : "it is also a folder");
}

// git's order of entries is the tree builder's business.
Result<git_oid> write_tree(Repository& repository, const Folder& folder) {
  TreeBuilderHandle builder;
  HUBREV_CHECK(git_check(git_treebuilder_new(out(builder), repository.handle(), nullptr),
                         "preparing a tree"));
  for (const auto& [name, entry] : folder.entries) {
    git_oid id{};
    git_filemode_t mode = GIT_FILEMODE_BLOB;
    if (const auto* child = std::get_if<Folder>(&entry)) {
      HUBREV_TRY(id, write_tree(repository, *child));
      mode = GIT_FILEMODE_TREE;
    } else {
      id = std::get<Blob>(entry).id;
      mode = std::get<Blob>(entry).mode;
    }
    const int code = git_treebuilder_insert(nullptr, builder.get(), name.c_str(), &id, mode);
    if (code < 0) return bad_path(name, git_error(code, "libgit2 refuses it").message);
  }
  git_oid id{};
  HUBREV_CHECK(git_check(git_treebuilder_write(&id, builder.get()), "writing a tree"));
  return id;
}

Result<SignatureHandle> make_signature(const Signature& signature) {
  SignatureHandle handle;
  const int code = git_signature_new(out(handle), signature.name.c_str(), signature.email.c_str(),
                                     signature.unix_seconds, 0);
  if (code < 0) {
    return make_error(ErrorKind::kInvalidInput,
                      git_error(code, "author '" + signature.name + "' <" + signature.email +
                                          "> cannot sign a commit")
                          .message);
  }
  return handle;
}

Result<Blob> write_blob(Repository& repository, const std::string& path, const std::string& bytes) {
  Blob blob;
  HUBREV_CHECK(git_check(
      git_blob_create_from_buffer(&blob.id, repository.handle(), bytes.data(), bytes.size()),
      "writing " + path));
  return blob;
}

Result<GitId> write_commit(Repository& repository, const Folder& root,
                           std::vector<const git_commit*> parents, const std::string& message,
                           const Signature& signature) {
  HUBREV_TRY(const git_oid tree_oid, write_tree(repository, root));
  TreeHandle tree;
  HUBREV_CHECK(git_check(git_tree_lookup(out(tree), repository.handle(), &tree_oid),
                         "reading the new tree"));
  if (message.find('\0') != std::string::npos) {
    return make_error(ErrorKind::kInvalidInput, "a commit message cannot hold a NUL byte");
  }
  HUBREV_TRY(const SignatureHandle author, make_signature(signature));
  git_oid id{};
  HUBREV_CHECK(git_check(
      git_commit_create(&id, repository.handle(), nullptr, author.get(), author.get(), nullptr,
                        message.c_str(), tree.get(), parents.size(), parents.data()),
      "writing a commit"));
  return to_id(id);
}

Result<CommitHandle> find_commit(Repository& repository, const GitId& id) {
  const git_oid oid = to_oid(id);
  CommitHandle commit;
  HUBREV_CHECK(git_check(git_commit_lookup(out(commit), repository.handle(), &oid),
                         "looking for commit " + id.hex()));
  return commit;
}

}  // namespace

Result<GitId> write_root_commit(Repository& repository, const CommitContent& content) {
  Folder root;
  for (const GitBlob& file : content.files) {
    HUBREV_TRY(const Blob blob, write_blob(repository, file.path, file.bytes));
    HUBREV_CHECK(place(root, file.path, blob));
  }
  return write_commit(repository, root, {}, content.message, content.signature);
}

Result<GitId> write_changed_commit(Repository& repository, const std::optional<GitId>& base,
                                   const std::vector<FileChange>& changes,
                                   const std::vector<GitId>& parents, const std::string& message,
                                   const Signature& signature) {
  std::map<std::string, Blob> files;
  if (base) {
    HUBREV_TRY(const CommitInfo info, read_commit(repository, *base));
    for (const TreeFile& file : info.files) {
      files[file.path] = Blob{to_oid(file.id), static_cast<git_filemode_t>(file.mode)};
    }
  }
  for (const FileChange& change : changes) {
    files.erase(change.path);
    if (!change.bytes) continue;
    HUBREV_TRY(files[change.path], write_blob(repository, change.path, *change.bytes));
  }
  Folder root;
  for (const auto& [path, blob] : files) HUBREV_CHECK(place(root, path, blob));
  std::vector<CommitHandle> handles;
  std::vector<const git_commit*> raw;
  for (const GitId& parent : parents) {
    HUBREV_TRY(CommitHandle handle, find_commit(repository, parent));
    raw.push_back(handle.get());
    handles.push_back(std::move(handle));
  }
  return write_commit(repository, root, std::move(raw), message, signature);
}

Result<GitId> tree_id(Repository& repository, const GitId& commit) {
  HUBREV_TRY(const CommitHandle handle, find_commit(repository, commit));
  return to_id(*git_commit_tree_id(handle.get()));
}

}  // namespace hubrev
