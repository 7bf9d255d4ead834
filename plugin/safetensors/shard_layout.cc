#include "plugin/safetensors/shard_layout.h"

#include <map>
#include <optional>
#include <string_view>
#include <utility>

namespace hubrev {
namespace {

// What is known of a file's tensors before their data is read.
struct Known {
  std::vector<TensorGroup> shards;  // as published before
  std::vector<bool> unchanged;      // by index
  std::string compared_to;          // see ShardLayout
};

// nullopt when it is about other tensors. The text it comes from may have been edited.
std::optional<Known> recall(const PublishedFile& file, const Header& header) {
  std::map<std::string_view, std::size_t> left;
  for (std::size_t i = 0; i < header.tensors.size(); ++i) left.emplace(header.tensors[i].name, i);
  Known known;
  known.compared_to = file.compared_to;
  known.unchanged.resize(header.tensors.size());
  for (const auto& shard : file.shards) {
    TensorGroup group;
    for (const PublishedTensor& tensor : shard) {
      const auto at = left.find(tensor.name);
      if (at == left.end()) return std::nullopt;
      group.push_back(at->second);
      known.unchanged[at->second] = tensor.unchanged;
      left.erase(at);
    }
    if (!group.empty()) known.shards.push_back(std::move(group));
  }
  if (!left.empty()) return std::nullopt;
  return known;
}

Known know(const std::string& path, const Header& header, const PublishedWeights& before) {
  if (const auto file = before.files.find(path); file != before.files.end()) {
    if (auto known = recall(file->second, header)) return *std::move(known);
  }
  Known known;
  for (const Tensor& tensor : header.tensors) {
    known.unchanged.push_back(before.frozen.contains(tensor.name));
  }
  return known;
}

std::uint64_t size_of(const Tensor& tensor) {
  return tensor.end - tensor.begin;
}

// One layout in the making.
class Layout {
 public:
  Layout(std::uint64_t file_size, const Header& header, const ShardRules& rules)
      : file_size_(file_size), header_(header), rules_(rules), placed_(header.tensors.size()) {}

  // Shards of unchanged tensors stay, unless the limit was lowered.
  void keep(const Known& known) {
    layout_.compared_to = known.compared_to;
    for (const TensorGroup& shard : known.shards) {
      bool stays = shard.size() == 1 || fits(shard);
      for (const std::size_t i : shard) stays = stays && known.unchanged[i];
      if (stays) add_apart(shard);
    }
  }

  // Other unchanged tensors come together.
  void gather(const Known& known) {
    TensorGroup group;
    std::uint64_t bytes = 0;
    for (const std::size_t i : unplaced()) {
      if (!known.unchanged[i]) continue;
      group.push_back(i);
      bytes += size_of(header_.tensors[i]);
    }
    if (bytes < rules_.min_apart) return;
    for (const TensorGroup& shard : cut(group)) add_apart(shard);
  }

  ShardLayout finish() {
    for (TensorGroup& shard : cut(unplaced())) layout_.shards.push_back(std::move(shard));
    return std::move(layout_);
  }

 private:
  bool fits(const TensorGroup& group) const {
    if (group.size() == header_.tensors.size() && file_size_ <= rules_.max_shard_size) return true;
    HeaderWriter writer(header_.metadata);
    for (const std::size_t i : group) {
      if (!writer.add(header_.tensors[i], rules_.max_shard_size)) return false;
    }
    return true;
  }

  // As few shards as the limit allows, and of about the same size, since they are hashed and sent
  // side by side.
  std::vector<TensorGroup> cut(const TensorGroup& group) const {
    if (group.empty()) return {};
    if (fits(group)) return {group};
    std::vector<TensorGroup> few = cut_at(group, rules_.max_shard_size);
    std::uint64_t bytes = 0;
    for (const std::size_t i : group) bytes += size_of(header_.tensors[i]);
    std::vector<TensorGroup> even = cut_at(group, bytes / few.size());
    return even.size() == few.size() ? std::move(even) : std::move(few);
  }

  // Shards of at most the limit, each ended by the tensor that takes its data nearest to `wanted`.
  std::vector<TensorGroup> cut_at(const TensorGroup& group, std::uint64_t wanted) const {
    std::vector<TensorGroup> shards;
    for (std::size_t next = 0; next < group.size();) {
      HeaderWriter writer(header_.metadata);
      writer.add(header_.tensors[group[next]]);  // a single tensor may be above the limit
      std::uint64_t bytes = size_of(header_.tensors[group[next]]);
      TensorGroup& shard = shards.emplace_back();
      for (;;) {
        shard.push_back(group[next++]);
        if (next == group.size()) break;
        const Tensor& tensor = header_.tensors[group[next]];
        if (bytes + size_of(tensor) / 2 > wanted) break;
        if (!writer.add(tensor, rules_.max_shard_size)) break;
        bytes += size_of(tensor);
      }
    }
    return shards;
  }

  TensorGroup unplaced() const {
    TensorGroup group;
    for (std::size_t i = 0; i < placed_.size(); ++i) {
      if (!placed_[i]) group.push_back(i);
    }
    return group;
  }

  void add_apart(const TensorGroup& shard) {
    for (const std::size_t i : shard) {
      placed_[i] = true;
      layout_.tensors_apart += 1;
      layout_.bytes_apart += size_of(header_.tensors[i]);
    }
    layout_.shards.push_back(shard);
  }

  const std::uint64_t file_size_;
  const Header& header_;
  const ShardRules& rules_;
  std::vector<bool> placed_;
  ShardLayout layout_;
};

}  // namespace

ShardLayout lay_out(const std::string& path, std::uint64_t file_size, const Header& header,
                    const ShardRules& rules) {
  Layout layout(file_size, header, rules);
  if (rules.before != nullptr && file_size >= rules.min_apart) {
    const Known known = know(path, header, *rules.before);
    layout.keep(known);
    layout.gather(known);
  }
  return layout.finish();
}

}  // namespace hubrev
