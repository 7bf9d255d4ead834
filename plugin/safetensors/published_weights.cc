#include "plugin/safetensors/published_weights.h"

#include <exception>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <utility>

#include "plugin/base/utf8.h"
#include "plugin/types/json_read.h"

namespace hubrev {
namespace {

using nlohmann::json;
using Digests = std::map<std::string_view, Xxh3>;  // by tensor

constexpr int kMaxDepth = 16;  // it has 7 levels

json file_to_json(const PublishedFile& file) {
  json shards = json::array();
  for (const auto& shard : file.shards) {
    json tensors = json::array();
    for (const PublishedTensor& tensor : shard) {
      tensors.push_back({{"name", tensor.name},
                         {"digest", tensor.digest.hex()},
                         {"unchanged", tensor.unchanged}});
    }
    shards.push_back(std::move(tensors));
  }
  return {{"compared_to", file.compared_to}, {"shards", std::move(shards)}};
}

PublishedTensor tensor_from_json(const json& j) {
  const auto digest = Xxh3::from_hex(j.at("digest").get<std::string>());
  if (!digest) throw std::invalid_argument("a digest is no XXH3");
  return {j.at("name").get<std::string>(), *digest, j.at("unchanged").get<bool>()};
}

PublishedFile file_from_json(const json& j) {
  PublishedFile file;
  file.compared_to = j.at("compared_to").get<std::string>();
  for (const json& shard : j.at("shards")) {
    auto& tensors = file.shards.emplace_back();
    for (const json& tensor : shard) tensors.push_back(tensor_from_json(tensor));
  }
  return file;
}

PublishedWeights parse(const json& j) {
  PublishedWeights weights;
  weights.job = j.at("job").get<std::string>();
  weights.revision = j.at("revision").get<std::string>();
  for (const json& name : j.at("frozen")) weights.frozen.insert(name.get<std::string>());
  for (const auto& [path, file] : j.at("files").items()) {
    weights.files.emplace(path, file_from_json(file));
  }
  return weights;
}

Digests digests_of(const PublishedFile& file) {
  Digests digests;
  for (const auto& shard : file.shards) {
    for (const PublishedTensor& tensor : shard) digests.emplace(tensor.name, tensor.digest);
  }
  return digests;
}

bool same_tensors(const Digests& a, const Digests& b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(),
                    [](const auto& x, const auto& y) { return x.first == y.first; });
}

void compare(PublishedFile& now, const std::string& path, const PublishedWeights& before) {
  const auto earlier = before.files.find(path);
  std::optional<Digests> digests;
  if (earlier != before.files.end()) {
    digests = digests_of(earlier->second);
    if (same_tensors(*digests, digests_of(now))) {
      now.compared_to = before.revision;
    } else {
      digests.reset();
    }
  }
  for (auto& shard : now.shards) {
    for (PublishedTensor& tensor : shard) {
      tensor.unchanged =
          digests ? digests->at(tensor.name) == tensor.digest : before.frozen.contains(tensor.name);
    }
  }
}

}  // namespace

std::string to_text(const PublishedWeights& weights) {
  json files = json::object();
  for (const auto& [path, file] : weights.files) files[path] = file_to_json(file);
  const json root = {{"job", weights.job},
                     {"revision", weights.revision},
                     {"frozen", weights.frozen},
                     {"files", std::move(files)}};
  return root.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<PublishedWeights> published_weights_from_text(std::string_view text) {
  if (nests_deeper(text, kMaxDepth)) {
    return make_error(ErrorKind::kCorrupt, "not a memory of weights: it nests too deeply");
  }
  try {
    return parse(json::parse(text));
  } catch (const std::exception& e) {
    // nlohmann reports both syntax and type errors by exception, and quotes what it read.
    constexpr std::size_t kLongest = 500;
    return make_error(ErrorKind::kCorrupt,
                      "not a memory of weights: " + shown_text(e.what(), kLongest));
  }
}

void want_digests(std::vector<LfsFile>& files, const std::vector<PlacedShard>& shards) {
  std::map<std::string_view, const PlacedShard*> by_path;
  for (const PlacedShard& shard : shards) by_path.emplace(shard.path, &shard);
  for (LfsFile& file : files) {
    if (const auto shard = by_path.find(file.path); shard != by_path.end()) {
      file.pieces = shard->second->pieces;
    }
  }
}

PublishedWeights published(const PublishedWeights& before, std::string job, std::string revision,
                           const std::vector<PlacedShard>& shards,
                           const std::vector<LfsObject>& objects) {
  std::map<std::string_view, const LfsObject*> by_path;
  for (const LfsObject& object : objects) by_path.emplace(object.path, &object);
  PublishedWeights now{std::move(job), std::move(revision), before.frozen, {}};
  for (const PlacedShard& shard : shards) {
    const auto object = by_path.find(shard.path);
    if (object == by_path.end()) continue;  // git stores it: nothing large
    auto& tensors = now.files[shard.file].shards.emplace_back();
    for (std::size_t i = 0; i < shard.tensors.size(); ++i) {
      tensors.push_back({shard.tensors[i], object->second->pieces.at(i + 1), false});
    }
  }
  for (auto& [path, file] : now.files) compare(file, path, before);
  return now;
}

}  // namespace hubrev
