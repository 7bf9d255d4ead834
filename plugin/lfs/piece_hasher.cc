#include "plugin/lfs/piece_hasher.h"

#include <algorithm>
#include <utility>

namespace hubrev {

PieceHasher::PieceHasher(const std::vector<std::uint64_t>& lengths) : lengths_(lengths) {
  digests_.reserve(lengths_.size());
  close_full();
}

void PieceHasher::update(std::string_view bytes) {
  while (!bytes.empty() && digests_.size() < lengths_.size()) {
    const std::uint64_t missing = lengths_[digests_.size()] - done_;
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), missing));
    take(bytes.substr(0, size));
    bytes.remove_prefix(size);
    close_full();
  }
}

std::vector<Xxh3> PieceHasher::finish() {
  return std::move(digests_);
}

// Bytes of one piece, from done_ on.
void PieceHasher::take(std::string_view bytes) {
  if (lengths_[digests_.size()] <= kWholeUpTo) {
    hasher_.update(bytes);
    done_ += bytes.size();
    return;
  }
  while (!bytes.empty()) {
    const std::uint64_t at = done_ % kBlock;
    if (at < kSampled) hasher_.update(bytes.substr(0, kSampled - at));
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), kBlock - at));
    bytes.remove_prefix(size);
    done_ += size;
  }
}

// Pieces may be empty, so several can end at the same byte.
void PieceHasher::close_full() {
  while (digests_.size() < lengths_.size() && done_ == lengths_[digests_.size()]) {
    digests_.push_back(hasher_.finish());
    done_ = 0;
  }
}

}  // namespace hubrev
