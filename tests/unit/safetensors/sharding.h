#pragma once
// What the tests of virtual shards ask of their outcome.

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>

#include "plugin/safetensors/header.h"
#include "plugin/safetensors/virtual_shards.h"
#include "tests/unit/safetensors/checkpoint.h"

namespace hubrev::testing {

using Files = std::map<std::string, std::string>;  // bytes by path

// apply_virtual_shards(), which must succeed.
inline ShardedSnapshot shard(const Files& files, std::uint64_t limit) {
  auto sharded = apply_virtual_shards(make_snapshot(files), {limit});
  EXPECT_TRUE(sharded.ok()) << sharded.error().message;
  return sharded.ok() ? std::move(sharded).value() : ShardedSnapshot{};
}

// Name -> dtype, shape and bytes of every tensor in files like `<stem>*.safetensors`; a name that
// is there twice gets a value that equals nothing.
inline Files tensors_of(const Files& files, const std::string& stem) {
  Files tensors;
  for (const auto& [path, bytes] : files) {
    if (!path.starts_with(stem) || !path.ends_with(".safetensors")) continue;
    const auto header = read_header(Source::from_bytes(bytes));
    EXPECT_TRUE(header.ok()) << path << ": " << header.error().message;
    if (!header.ok()) continue;
    EXPECT_EQ(header->metadata.at("format"), "pt");
    for (const Tensor& tensor : header->tensors) {
      const std::string value =
          tensor.dtype + nlohmann::json(tensor.shape).dump() +
          bytes.substr(header->data_offset + tensor.begin, tensor.end - tensor.begin);
      if (!tensors.emplace(tensor.name, value).second) tensors[tensor.name] = "twice in " + path;
    }
  }
  return tensors;
}

// The data of the shards, in the order of their names, one after the other.
inline std::string joined_data(const Files& files) {
  std::string data;
  for (const auto& [path, bytes] : files) {
    if (!path.ends_with(".safetensors")) continue;
    const auto header = read_header(Source::from_bytes(bytes));
    EXPECT_TRUE(header.ok()) << path << ": " << header.error().message;
    if (header.ok()) data += bytes.substr(header->data_offset);
  }
  return data;
}

}  // namespace hubrev::testing
