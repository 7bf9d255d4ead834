#include "plugin/lfs/hash_files.h"

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "plugin/base/sha256.h"
#include "plugin/lfs/piece_hasher.h"

namespace hubrev {
namespace {

// Bytes; what fits a core's cache beside those of the files hashed with it, and how often a hash
// looks at its token.
constexpr std::size_t kBuffer = 256 << 10;

// A file on its way through a hasher.
class OpenFile {
 public:
  OpenFile(const FileToHash& what, std::vector<char>& buffer)
      : what_(what),
        buffer_(buffer),
        reader_(what.file->source.open()),
        pieces_(what.file->pieces) {
    buffer_.resize(kBuffer);
  }

  // Reads on until the buffer is full or the file ends.
  Status fill(Progress& progress) {
    have_ = 0;
    while (have_ < buffer_.size()) {
      auto got = reader_.read(std::span(buffer_).subspan(have_));
      if (!got.ok()) return with_context(std::move(got).error(), "hashing " + what_.file->path);
      if (*got == 0) break;
      have_ += *got;
    }
    pieces_.update(bytes());
    progress.bytes_hashed += have_;
    return {};
  }

  std::string_view bytes() const { return {buffer_.data(), have_}; }
  bool at_end() const { return have_ < buffer_.size(); }
  Sha256Hasher& hasher() { return hasher_; }
  void finish() {
    *what_.object = {what_.file->path, hasher_.finish(), what_.file->source.size(),
                     pieces_.finish()};
  }

 private:
  FileToHash what_;
  std::vector<char>& buffer_;  // of this place; the next file takes it over
  SourceReader reader_;
  Sha256Hasher hasher_;
  PieceHasher pieces_;
  std::size_t have_ = 0;
};

}  // namespace

Status hash_files(std::span<const FileToHash> files, Progress& progress,
                  const std::stop_token& stop) {
  std::array<std::vector<char>, Sha256Hasher::kMostTogether> buffers;
  std::array<std::optional<OpenFile>, Sha256Hasher::kMostTogether> open;
  for (;;) {
    if (stop.stop_requested()) return make_error(ErrorKind::kCancelled, "cancelled");
    std::vector<Sha256Hasher*> hashers;
    std::vector<std::string_view> bytes;
    for (std::size_t place = 0; place < open.size(); ++place) {
      std::optional<OpenFile>& file = open[place];
      if (!file && !files.empty()) {
        file.emplace(files.front(), buffers[place]);
        files = files.subspan(1);
      }
      if (!file) continue;
      HUBREV_CHECK(file->fill(progress));
      hashers.push_back(&file->hasher());
      bytes.push_back(file->bytes());
    }
    if (hashers.empty()) return {};
    Sha256Hasher::update_together(hashers, bytes);
    for (std::optional<OpenFile>& file : open) {
      if (!file || !file->at_end()) continue;
      file->finish();
      file.reset();
    }
  }
}

}  // namespace hubrev
