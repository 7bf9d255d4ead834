// YAML for Python, by the reader and the writer that cards have: the package needs no other.
#include "bindings/src/yaml.h"

#include <nlohmann/json.hpp>
#include <string>

#include "bindings/src/errors.h"
#include "bindings/src/json_text.h"
#include "plugin/fixes/yaml_value.h"

namespace py = pybind11;

namespace hubrev::python {
namespace {

using nlohmann::json;

// Depth is bounded by kMaxYamlDepth.
json to_json(const YamlValue& value) {
  switch (value.kind) {
    case YamlKind::kNull:
      return nullptr;
    case YamlKind::kText:
    case YamlKind::kPlain:
      return value.text;
    case YamlKind::kList: {
      json items = json::array();
      for (const YamlValue& item : value.items) items.push_back(to_json(item));
      return items;
    }
    case YamlKind::kMap: {
      json members = json::object();
      for (const auto& [key, member] : value.members) members[key] = to_json(member);
      return members;
    }
  }
  return nullptr;
}

YamlValue from_json(const nlohmann::ordered_json& value) {
  if (value.is_null()) return {};
  if (value.is_string()) return YamlValue::string(value.get<std::string>());
  if (value.is_number_float()) return YamlValue::number(value.get<double>());
  if (value.is_array()) {
    YamlValue list = YamlValue::list({});
    for (const auto& item : value) list.items.push_back(from_json(item));
    return list;
  }
  if (value.is_object()) {
    YamlValue map = YamlValue::map({});
    for (const auto& [key, member] : value.items()) map.set(key, from_json(member));
    return map;
  }
  return {YamlKind::kPlain, value.dump(), {}, {}};  // true, false, or a whole number
}

std::string read(const std::string& text) {
  return dump(to_json(unwrap(parse_yaml(text))));
}

std::string write(const std::string& value) {
  return write_yaml(from_json(nlohmann::ordered_json::parse(value)));
}

}  // namespace

void define_yaml(py::module_& module) {
  module.def("read_yaml", &read, py::arg("text"));
  module.def("write_yaml", &write, py::arg("value"));
}

}  // namespace hubrev::python
