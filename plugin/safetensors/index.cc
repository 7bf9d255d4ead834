#include "plugin/safetensors/index.h"

#include <cstdint>
#include <utility>

#include "plugin/safetensors/header.h"
#include "plugin/types/json_read.h"

namespace hubrev {
namespace {

using nlohmann::json;

// A hundred bytes for each tensor of a model with half a million of them.
constexpr std::uint64_t kMaxIndexBytes = 64ull << 20;
// An index has 2 levels; write_index() recurses as deep as the metadata kept from the old one.
constexpr int kMaxDepth = 16;

Error invalid(std::string message) {
  return make_error(ErrorKind::kInvalidInput, std::move(message));
}

bool is_plain_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

Result<ShardIndex> parse_index(const std::string& text) {
  if (nests_deeper(text, kMaxDepth)) return invalid("the index is nested too deeply");
  json root = parse_json(text);
  if (!root.is_object()) return invalid("the index is no valid JSON object");
  const auto map = root.find("weight_map");
  if (map == root.end() || !map->is_object()) return invalid("the index has no weight_map object");

  ShardIndex index;
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string() || !is_plain_name(file.get_ref<const std::string&>())) {
      return invalid("the index gives tensor " + quote_name(tensor) +
                     " no plain file name in its own folder");
    }
    index.weight_map.emplace(tensor, file.get_ref<const std::string&>());
  }
  if (const auto metadata = root.find("metadata"); metadata != root.end()) {
    if (!metadata->is_object()) return invalid("the index's metadata is no object");
    index.metadata = std::move(*metadata);
  }
  return index;
}

}  // namespace

Result<ShardIndex> read_index(const Entry& entry) {
  auto text = entry.source.read_all(kMaxIndexBytes);
  if (!text.ok()) return with_context(std::move(text).error(), entry.path);
  auto index = parse_index(*text);
  if (!index.ok()) return with_context(std::move(index).error(), entry.path);
  return index;
}

std::string write_index(const ShardIndex& index) {
  const json root = {{"metadata", index.metadata}, {"weight_map", index.weight_map}};
  return root.dump(2, ' ', /*ensure_ascii=*/true, json::error_handler_t::replace) + '\n';
}

std::string folder_prefix(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? "" : std::string(path.substr(0, slash + 1));
}

}  // namespace hubrev
