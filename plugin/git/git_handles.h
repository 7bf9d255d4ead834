#pragma once
// libgit2's objects, owned. The only place that names git_*_free. Internal to this layer.

#include <git2.h>

#include <cstring>
#include <memory>

#include "plugin/base/ids.h"
#include "plugin/git/repository.h"

namespace hubrev {

template <auto kFree>
struct GitFree {
  template <typename T>
  void operator()(T* object) const noexcept {
    kFree(object);
  }
};

template <typename T, auto kFree>
using GitHandle = std::unique_ptr<T, GitFree<kFree>>;

using CommitHandle = GitHandle<git_commit, git_commit_free>;
using ObjectHandle = GitHandle<git_object, git_object_free>;
using OdbHandle = GitHandle<git_odb, git_odb_free>;
using BlobHandle = GitHandle<git_blob, git_blob_free>;
using PackBuilderHandle = GitHandle<git_packbuilder, git_packbuilder_free>;
using ReferenceHandle = GitHandle<git_reference, git_reference_free>;
using ReferenceIteratorHandle = GitHandle<git_reference_iterator, git_reference_iterator_free>;
using RemoteHandle = GitHandle<git_remote, git_remote_free>;
using RepositoryHandle = GitHandle<git_repository, git_repository_free>;
using RevisionWalkHandle = GitHandle<git_revwalk, git_revwalk_free>;
using SignatureHandle = GitHandle<git_signature, git_signature_free>;
using TreeHandle = GitHandle<git_tree, git_tree_free>;
using TreeBuilderHandle = GitHandle<git_treebuilder, git_treebuilder_free>;

// For out-parameters: `git_x_new(out(handle), ...)`. Fills the handle at the end of the statement.
template <typename Handle>
class OutParameter {
 public:
  explicit OutParameter(Handle& handle) : handle_(handle) {}
  ~OutParameter() { handle_.reset(raw_); }
  OutParameter(const OutParameter&) = delete;
  OutParameter& operator=(const OutParameter&) = delete;
  // Implicit on purpose: it stands where C wants a T**.
  operator typename Handle::pointer *() { return &raw_; }

 private:
  Handle& handle_;
  typename Handle::pointer raw_ = nullptr;
};

template <typename Handle>
OutParameter<Handle> out(Handle& handle) {
  return OutParameter<Handle>(handle);
}

// An options struct with the library's defaults: `git_options<git_fetch_options_init,
// GIT_FETCH_OPTIONS_VERSION>()`. The _INIT macros say the same, but clang warns about each field
// that they leave out.
template <auto kInit, unsigned kVersion>
auto git_options() {
  const auto fill = []<typename Options>(int (*init)(Options*, unsigned)) {
    Options options{};
    init(&options, kVersion);  // fails on an unknown version only
    return options;
  };
  return fill(kInit);
}

inline git_oid to_oid(const GitId& id) {
  git_oid oid;
  static_assert(sizeof(oid.id) == GitId::kSize);
  std::memcpy(oid.id, id.bytes().data(), GitId::kSize);
  return oid;
}

inline GitId to_id(const git_oid& oid) {
  GitId::Bytes bytes{};
  std::memcpy(bytes.data(), oid.id, GitId::kSize);
  return GitId(bytes);
}

}  // namespace hubrev
