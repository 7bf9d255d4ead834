#include "plugin/lfs/object_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "plugin/base/file.h"

namespace hubrev {
namespace {

constexpr std::size_t kBuffer = 1 << 20;  // bytes

std::optional<std::string> whole_file(const Source& source) {
  const FileRange* range = source.only_range();
  struct stat info {};
  const bool whole = range != nullptr && range->offset == 0 &&
                     ::stat(range->path.c_str(), &info) == 0 &&
                     static_cast<std::uint64_t>(info.st_size) == range->length;
  return whole ? std::optional(range->path) : std::nullopt;
}

Status write_out(const Source& source, const std::string& path, const std::stop_token& stop) {
  const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return errno_error(errno, "cannot create " + path);
  std::vector<char> buffer(kBuffer);
  SourceReader reader = source.open();
  for (;;) {
    if (stop.stop_requested()) return make_error(ErrorKind::kCancelled, "cancelled");
    HUBREV_TRY(const std::size_t got, reader.read(std::span(buffer)));
    if (got == 0) return {};
    HUBREV_CHECK(write_all(file.get(), {buffer.data(), got}, path));
  }
}

}  // namespace

Result<ObjectFile> ObjectFile::create(const LfsFile& file, const Sha256& oid,
                                      const std::string& folder, const std::stop_token& stop) {
  if (auto whole = whole_file(file.source)) return ObjectFile(*std::move(whole), Kept::kYes);
  HUBREV_CHECK(make_private_directory(folder));
  ObjectFile written(folder + "/" + oid.hex(), Kept::kNo);
  const Status done = write_out(file.source, written.path(), stop);
  if (!done.ok()) return with_context(done.error(), "writing " + file.path + " for an agent");
  return written;
}

ObjectFile::ObjectFile(std::string path, Kept kept) : path_(std::move(path)), kept_(kept) {}

ObjectFile::ObjectFile(ObjectFile&& other) noexcept
    : path_(std::move(other.path_)), kept_(std::exchange(other.kept_, Kept::kYes)) {}

ObjectFile::~ObjectFile() {
  if (kept_ == Kept::kNo) (void)::unlink(path_.c_str());
}

}  // namespace hubrev
