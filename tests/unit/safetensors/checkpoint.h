#pragma once
// Small safetensors files and snapshots, written without the code under test.

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "plugin/types/snapshot.h"

namespace hubrev::testing {

// A file with this JSON as its header and this data, whatever they say.
inline std::string file_of(const std::string& header, const std::string& data = "") {
  std::string bytes;
  for (unsigned shift = 0; shift < 64; shift += 8) {
    bytes += static_cast<char>((std::uint64_t{header.size()} >> shift) & 0xff);
  }
  return bytes + header + data;
}

// A one-dimensional U8 tensor for every (name, size), in this order, every byte of it different
// from its neighbours'.
inline std::string make_file(const std::vector<std::pair<std::string, std::size_t>>& tensors,
                             unsigned char seed = 0) {
  nlohmann::ordered_json header;
  header["__metadata__"] = {{"format", "pt"}};
  std::string data;
  for (const auto& [name, size] : tensors) {
    header[name] = {
        {"dtype", "U8"}, {"shape", {size}}, {"data_offsets", {data.size(), data.size() + size}}};
    for (std::size_t i = 0; i < size; ++i) {
      data += static_cast<char>((seed + data.size() * 7 + data.size() / 251) & 0xff);
    }
  }
  return file_of(header.dump(), data);
}

// {"metadata": ..., "weight_map": ...} on one line.
inline std::string make_index(const std::map<std::string, std::string>& weight_map,
                              const nlohmann::json& metadata = nlohmann::json::object()) {
  nlohmann::json index;
  index["metadata"] = metadata;
  index["weight_map"] = weight_map;
  return index.dump();
}

inline Snapshot make_snapshot(const std::map<std::string, std::string>& files) {
  Snapshot snapshot;
  for (const auto& [path, bytes] : files) put_entry(snapshot, {path, Source::from_bytes(bytes)});
  return snapshot;
}

// Every entry's bytes by its path.
inline std::map<std::string, std::string> contents_of(const Snapshot& snapshot) {
  std::map<std::string, std::string> files;
  for (const Entry& entry : snapshot.entries) {
    auto bytes = entry.source.read_all(64u << 20);
    files[entry.path] = bytes.ok() ? *bytes : "unreadable: " + bytes.error().message;
  }
  return files;
}

}  // namespace hubrev::testing
