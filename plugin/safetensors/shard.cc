#include "plugin/safetensors/shard.h"

namespace hubrev {

Shard make_shard(const Entry& entry, const Header& header, const TensorGroup& group) {
  HeaderWriter writer(header.metadata);
  Shard shard;
  shard.placed.file = entry.path;
  shard.placed.pieces.push_back(0);
  std::vector<Source> parts(1);  // the header, then the data
  std::uint64_t begin = 0;       // of a run of tensors that are one range of the file
  std::uint64_t end = 0;
  const auto close_run = [&] {
    if (begin == end) return;
    parts.push_back(entry.source.subrange(header.data_offset + begin, end - begin));
  };
  for (const std::size_t i : group) {
    const Tensor& tensor = header.tensors[i];
    writer.add(tensor);
    shard.placed.tensors.push_back(tensor.name);
    shard.placed.pieces.push_back(tensor.end - tensor.begin);
    if (tensor.begin != end) {
      close_run();
      begin = tensor.begin;
    }
    end = tensor.end;
  }
  close_run();
  parts[0] = Source::from_bytes(writer.finish());
  shard.placed.pieces[0] = parts[0].size();
  shard.source = Source::concatenate(parts);
  return shard;
}

Shard whole_file(const Entry& entry, const Header& header) {
  Shard shard;
  shard.source = entry.source;
  shard.placed.file = entry.path;
  shard.placed.pieces.push_back(header.data_offset);
  for (const Tensor& tensor : header.tensors) {
    shard.placed.tensors.push_back(tensor.name);
    shard.placed.pieces.push_back(tensor.end - tensor.begin);
  }
  return shard;
}

}  // namespace hubrev
