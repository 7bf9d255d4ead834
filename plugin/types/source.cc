#include "plugin/types/source.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace hubrev {

std::uint64_t Source::length_of(const Part& part) {
  return std::visit([](const auto& p) { return p.length; }, part);
}

Source Source::from_bytes(std::string bytes) {
  Source source;
  source.size_ = bytes.size();
  auto data = std::make_shared<const std::string>(std::move(bytes));
  source.parts_.emplace_back(Bytes{std::move(data), 0, source.size_});
  return source;
}

Source Source::from_file(std::string path, std::uint64_t size) {
  return from_range({std::move(path), 0, size});
}

Source Source::from_range(FileRange range) {
  Source source;
  source.size_ = range.length;
  source.parts_.emplace_back(std::move(range));
  return source;
}

Source Source::concatenate(const std::vector<Source>& sources) {
  Source all;
  for (const Source& source : sources) {
    all.parts_.insert(all.parts_.end(), source.parts_.begin(), source.parts_.end());
    all.size_ += source.size_;
  }
  return all;
}

const FileRange* Source::only_range() const {
  return parts_.size() == 1 ? std::get_if<FileRange>(&parts_.front()) : nullptr;
}

Source Source::subrange(std::uint64_t offset, std::uint64_t length) const {
  Source result;
  result.size_ = length;
  for (const Part& part : parts_) {
    const std::uint64_t size = length_of(part);
    if (offset >= size) {
      offset -= size;
      continue;
    }
    if (length == 0) break;
    const std::uint64_t take = std::min(length, size - offset);
    Part piece = part;
    std::visit(
        [&](auto& p) {
          p.offset += offset;
          p.length = take;
        },
        piece);
    result.parts_.push_back(std::move(piece));
    length -= take;
    offset = 0;
  }
  return result;
}

SourceReader Source::slice(std::uint64_t offset, std::uint64_t length) const {
  return {*this, offset, length};
}

Result<std::string> Source::read_all(std::uint64_t limit) const {
  if (size_ > limit) {
    return make_error(ErrorKind::kInvalidInput, "larger than " + std::to_string(limit) + " bytes");
  }
  std::string bytes(size_, '\0');
  SourceReader reader = open();
  std::size_t have = 0;
  while (have < bytes.size()) {
    HUBREV_TRY(const std::size_t got,
               reader.read(std::span(bytes.data() + have, bytes.size() - have)));
    if (got == 0) break;
    have += got;
  }
  return bytes;
}

SourceReader::SourceReader(Source source, std::uint64_t offset, std::uint64_t length)
    : source_(std::make_shared<const Source>(std::move(source))), begin_(offset), length_(length) {}

void SourceReader::rewind() {
  done_ = 0;
}

Result<std::size_t> SourceReader::read(std::span<char> buffer) {
  std::uint64_t want = std::min<std::uint64_t>(buffer.size(), length_ - done_);
  if (want == 0) return std::size_t{0};
  std::uint64_t at = begin_ + done_;
  for (const Source::Part& part : source_->parts_) {
    const std::uint64_t size = Source::length_of(part);
    if (at >= size) {
      at -= size;
      continue;
    }
    want = std::min(want, size - at);
    if (const auto* bytes = std::get_if<Source::Bytes>(&part)) {
      std::memcpy(buffer.data(), bytes->data->data() + bytes->offset + at, want);
      done_ += want;
      return static_cast<std::size_t>(want);
    }
    const auto& range = std::get<FileRange>(part);
    if (!file_ || file_path_ != range.path) {
      // Without noting the time of access: a write to the disk that nobody needs, and that a save
      // may have to wait for. Another's file refuses it.
      file_ = Fd(::open(range.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOATIME));
      if (!file_) file_ = Fd(::open(range.path.c_str(), O_RDONLY | O_CLOEXEC));
      if (!file_) return errno_error(errno, "cannot open " + range.path);
      file_path_ = range.path;
      // Twice the kernel's usual read-ahead, for a file that is not in its cache any more.
      (void)::posix_fadvise(file_.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
    }
    ssize_t got = 0;
    do {
      got = ::pread(file_.get(), buffer.data(), want, static_cast<off_t>(range.offset + at));
    } while (got < 0 && errno == EINTR);
    if (got < 0) return errno_error(errno, "cannot read " + range.path);
    if (got == 0) {
      return make_error(ErrorKind::kCorrupt,
                        range.path + " is shorter than when it was frozen (changed while pending)");
    }
    done_ += static_cast<std::uint64_t>(got);
    return static_cast<std::size_t>(got);
  }
  return make_error(ErrorKind::kInternal, "read past the end of a source");
}

}  // namespace hubrev
