#include "plugin/lfs/piece_hasher.h"

#include <algorithm>
#include <utility>

namespace hubrev {

PieceHasher::PieceHasher(const std::vector<std::uint64_t>& lengths) : lengths_(lengths) {
  digests_.reserve(lengths_.size());
  if (lengths_.empty()) return;
  missing_ = lengths_.front();
  close_full();
}

void PieceHasher::update(std::string_view bytes) {
  while (!bytes.empty() && digests_.size() < lengths_.size()) {
    const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), missing_));
    hasher_.update(bytes.substr(0, take));
    bytes.remove_prefix(take);
    missing_ -= take;
    close_full();
  }
}

std::vector<Xxh3> PieceHasher::finish() {
  return std::move(digests_);
}

// Pieces may be empty, so several can end at the same byte.
void PieceHasher::close_full() {
  while (missing_ == 0 && digests_.size() < lengths_.size()) {
    digests_.push_back(hasher_.finish());
    if (digests_.size() < lengths_.size()) missing_ = lengths_[digests_.size()];
  }
}

}  // namespace hubrev
