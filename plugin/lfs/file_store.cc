#include "plugin/lfs/file_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <span>
#include <utility>

#include "plugin/base/file.h"

namespace hubrev {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBuffer = 256 << 10;                  // bytes
constexpr std::uint64_t kAtOnce = std::uint64_t{64} << 20;  // bytes, between looks at the token

std::string objects_folder(const std::string& repository) {
  return repository + "/lfs/objects";
}

Status make_folders(const std::string& path) {
  std::error_code code;
  fs::create_directories(path, code);
  if (code) return errno_error(code.value(), "cannot create " + path);
  return {};
}

// What whoever may read the repository may do with its objects: read them.
Result<mode_t> object_mode(const std::string& repository) {
  struct stat info {};
  if (::stat(repository.c_str(), &info) != 0)
    return errno_error(errno, "cannot read " + repository);
  return static_cast<mode_t>(info.st_mode & 0444);
}

// A file on its way to its name. Removed at the end of its life, if it did not get there.
class Incoming {
 public:
  // An empty one.
  static Result<Incoming> create(const std::string& repository) {
    HUBREV_TRY(const mode_t mode, object_mode(repository));
    const std::string folder = repository + "/lfs/tmp";
    HUBREV_CHECK(make_folders(folder));
    std::string path = folder + "/hub-revisions-XXXXXX";
    Fd file(::mkostemp(path.data(), O_CLOEXEC));
    if (!file) return errno_error(errno, "cannot write to " + folder);
    return Incoming(repository, mode, std::move(path), std::move(file));
  }
  // Another name of `file`; nullopt where the file system has no such thing.
  static std::optional<Incoming> link(const std::string& repository, const std::string& file) {
    auto named = create(repository);
    if (!named.ok() || ::unlink(named->path_.c_str()) != 0) return std::nullopt;
    if (::link(file.c_str(), named->path_.c_str()) != 0) return std::nullopt;
    named->file_ = Fd(::open(named->path_.c_str(), O_RDONLY | O_CLOEXEC));
    if (!named->file_) return std::nullopt;
    return std::move(named).value();
  }
  ~Incoming() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  Incoming(Incoming&& other) noexcept
      : repository_(std::move(other.repository_)),
        mode_(other.mode_),
        path_(std::exchange(other.path_, "")),
        file_(std::move(other.file_)) {}
  Incoming& operator=(Incoming&&) = delete;
  Incoming(const Incoming&) = delete;
  Incoming& operator=(const Incoming&) = delete;

  int fd() const { return file_.get(); }
  const std::string& path() const { return path_; }

  // To where the object belongs; on disk afterwards.
  Status arrive(const Sha256& oid) {
    if (::fchmod(fd(), mode_) != 0 || ::fsync(fd()) != 0) {
      return errno_error(errno, "cannot write " + path_);
    }
    const std::string target = object_path(repository_, oid);
    fs::path folder = fs::path(target).parent_path();
    HUBREV_CHECK(make_folders(folder.string()));
    if (::rename(path_.c_str(), target.c_str()) != 0) {
      return errno_error(errno, "cannot create " + target);
    }
    path_.clear();
    // The folders above it may be new as well.
    const fs::path root(repository_);
    for (; folder != root; folder = folder.parent_path()) {
      HUBREV_CHECK(sync_to_disk(folder.string()));
    }
    return sync_to_disk(repository_);
  }

 private:
  Incoming(std::string repository, mode_t mode, std::string path, Fd file)
      : repository_(std::move(repository)),
        mode_(mode),
        path_(std::move(path)),
        file_(std::move(file)) {}

  std::string repository_;
  mode_t mode_;
  std::string path_;  // "" once it is at its place, or moved from
  Fd file_;
};

// The whole file that the source is, if no other name of it exists.
bool is_file_of_its_own(const Source& source) {
  const FileRange* range = source.only_range();
  struct stat info {};
  return range != nullptr && range->offset == 0 && ::lstat(range->path.c_str(), &info) == 0 &&
         S_ISREG(info.st_mode) && info.st_nlink == 1 &&
         static_cast<std::uint64_t>(info.st_size) == range->length;
}

// By the kernel, which shares blocks or has the file server copy where it can. False where it
// cannot do any of that; nothing is written then.
Result<bool> copy_in_kernel(const FileRange& range, int out, Progress& progress,
                            const std::stop_token& stop) {
  const Fd in(::open(range.path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!in) return errno_error(errno, "cannot open " + range.path);
  auto offset = static_cast<off_t>(range.offset);
  for (std::uint64_t left = range.length; left > 0;) {
    if (stop.stop_requested()) return make_error(ErrorKind::kCancelled, "cancelled");
    const auto want = static_cast<std::size_t>(std::min(left, kAtOnce));
    const ssize_t put = ::copy_file_range(in.get(), &offset, out, nullptr, want, 0);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0 && left == range.length) return false;
    if (put < 0) return errno_error(errno, "cannot copy " + range.path);
    if (put == 0) return make_error(ErrorKind::kCorrupt, range.path + " changed while pending");
    left -= static_cast<std::uint64_t>(put);
    progress.bytes_sent += static_cast<std::uint64_t>(put);
  }
  return true;
}

Status copy(const Source& source, const Incoming& incoming, Progress& progress,
            const std::stop_token& stop) {
  if (const FileRange* range = source.only_range()) {
    HUBREV_TRY(const bool copied, copy_in_kernel(*range, incoming.fd(), progress, stop));
    if (copied) return {};
  }
  std::vector<char> buffer(kBuffer);
  SourceReader reader = source.open();
  for (;;) {
    if (stop.stop_requested()) return make_error(ErrorKind::kCancelled, "cancelled");
    HUBREV_TRY(const std::size_t got, reader.read(std::span(buffer)));
    if (got == 0) return {};
    HUBREV_CHECK(write_all(incoming.fd(), {buffer.data(), got}, incoming.path()));
    progress.bytes_sent += got;
  }
}

Status store(const ObjectToSend& item, const std::string& repository, const UploadContext& context,
             const std::stop_token& stop) {
  const std::string target = object_path(repository, item.object.oid);
  struct stat info {};
  if (::stat(target.c_str(), &info) == 0 &&
      static_cast<std::uint64_t>(info.st_size) == item.object.size) {
    context.progress->bytes_present += item.object.size;
    return {};
  }
  const Source& source = item.file->source;
  if (is_file_of_its_own(source)) {
    if (auto linked = Incoming::link(repository, source.only_range()->path)) {
      if (context.still_unchanged) HUBREV_CHECK(context.still_unchanged());
      HUBREV_CHECK(linked->arrive(item.object.oid));
      context.progress->bytes_present += item.object.size;
      return {};
    }
  }
  HUBREV_TRY(Incoming copied, Incoming::create(repository));
  HUBREV_CHECK(copy(source, copied, *context.progress, stop));
  if (context.still_unchanged) HUBREV_CHECK(context.still_unchanged());
  return copied.arrive(item.object.oid);
}

std::optional<FileObject> describe(const fs::directory_entry& entry) {
  const auto oid = Sha256::from_hex(entry.path().filename().string());
  struct stat info {};
  if (!oid || ::stat(entry.path().c_str(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return std::nullopt;
  }
  // A linked file is as old as its checkpoint; its inode changed when it was put here.
  return FileObject{*oid, static_cast<std::uint64_t>(info.st_size),
                    std::int64_t{info.st_ctim.tv_sec} * 1000 + info.st_ctim.tv_nsec / 1'000'000};
}

}  // namespace

std::string object_path(const std::string& repository, const Sha256& oid) {
  const std::string name = oid.hex();
  return objects_folder(repository) + "/" + name.substr(0, 2) + "/" + name.substr(2, 2) + "/" +
         name;
}

Status store_object(const ObjectToSend& item, const std::string& repository,
                    const UploadContext& context, const std::stop_token& stop) {
  Status stored = store(item, repository, context, stop);
  if (stored.ok() || stored.error().kind == ErrorKind::kCancelled) return stored;
  return with_context(std::move(stored).error(), "storing " + item.file->path);
}

Result<std::vector<FileObject>> list_objects(const std::string& repository) {
  std::vector<FileObject> objects;
  std::error_code code;
  const std::string folder = objects_folder(repository);
  if (!fs::exists(folder, code)) return objects;
  for (fs::recursive_directory_iterator at(folder, code), end; !code && at != end;
       at.increment(code)) {
    if (const auto object = describe(*at)) objects.push_back(*object);
  }
  if (code) return errno_error(code.value(), "cannot read " + folder);
  return objects;
}

Status delete_object(const std::string& repository, const Sha256& oid) {
  const std::string path = object_path(repository, oid);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return errno_error(errno, "cannot delete " + path);
  }
  return {};
}

}  // namespace hubrev
