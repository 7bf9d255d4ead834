#include "plugin/fixes/model_index.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <utility>

#include "plugin/fixes/text.h"

namespace hubrev {
namespace {

// Marks a result as ours; a later run replaces it.
constexpr std::string_view kSourceName = "hub-revisions";

Error invalid(const std::string& what) {
  return make_error(ErrorKind::kInvalidInput, "model-index " + what);
}

bool has_strings(const YamlValue* map, std::initializer_list<std::string_view> keys) {
  if (map == nullptr || map->kind != YamlKind::kMap) return false;
  return std::all_of(keys.begin(), keys.end(), [&](std::string_view key) {
    const YamlValue* value = map->find(key);
    return value != nullptr && value->is_scalar() && !value->text.empty();
  });
}

bool is_map_or_absent(const YamlValue* value) {
  return value == nullptr || value->kind == YamlKind::kMap;
}

Status check_result(const YamlValue& result) {
  if (result.kind != YamlKind::kMap) return invalid("holds a result that is no mapping");
  if (!has_strings(result.find("task"), {"type"})) return invalid("has a result without task.type");
  if (!has_strings(result.find("dataset"), {"type", "name"})) {
    return invalid("has a result without dataset.type and dataset.name");
  }
  const YamlValue* source = result.find("source");
  if (!is_map_or_absent(source)) return invalid("has a source that is no mapping");
  if (source != nullptr && source->find("name") != nullptr && !has_strings(source, {"url"})) {
    return invalid("has a source without url");
  }
  const YamlValue* metrics = result.find("metrics");
  if (metrics == nullptr || metrics->kind != YamlKind::kList) {
    return invalid("has a result without metrics");
  }
  for (const YamlValue& metric : metrics->items) {
    const YamlValue* value = metric.find("value");
    if (!has_strings(&metric, {"type"}) || value == nullptr || value->kind == YamlKind::kNull) {
      return invalid("has a metric without type and value");
    }
  }
  return {};
}

bool is_ours(const YamlValue& result) {
  const YamlValue* source = result.find("source");
  const YamlValue* name = source == nullptr ? nullptr : source->find("name");
  return name != nullptr && name->text == kSourceName;
}

// How fast the evaluation ran says nothing about the model.
bool is_quality(std::string_view name) {
  static constexpr std::array<std::string_view, 4> kSpeed = {
      "runtime", "samples_per_second", "steps_per_second", "model_preparation_time"};
  return name != "epoch" && std::none_of(kSpeed.begin(), kSpeed.end(),
                                         [&](std::string_view end) { return name.ends_with(end); });
}

YamlValue metrics_of(const FixContext& context) {
  std::vector<YamlValue> metrics;
  for (const auto& [key, value] : context.metrics) {
    const std::string name = printable(key);
    if (name.empty() || !std::isfinite(value) || !is_quality(name)) continue;
    const std::string type = name.starts_with("eval_") && name.size() > 5 ? name.substr(5) : name;
    metrics.push_back(YamlValue::map({{"type", YamlValue::string(type)},
                                      {"name", YamlValue::string(name)},
                                      {"value", YamlValue::number(value)}}));
  }
  return YamlValue::list(std::move(metrics));
}

// Which data the trainer evaluated on is not recorded; the Hub wants a name and a type all the
// same.
YamlValue result_of(const FixContext& context, YamlValue metrics, const std::string& task) {
  const std::string type = task.empty() ? "other" : task;
  return YamlValue::map({{"task", YamlValue::map({{"type", YamlValue::string(type)}})},
                         {"dataset", YamlValue::map({{"name", YamlValue::string("evaluation set")},
                                                     {"type", YamlValue::string("unknown")}})},
                         {"metrics", std::move(metrics)},
                         {"source", YamlValue::map({{"name", YamlValue::string(kSourceName)},
                                                    {"url", YamlValue::string(context.page)}})}});
}

}  // namespace

Status check_model_index(const YamlValue& index) {
  if (index.kind != YamlKind::kList) return invalid("is no list");
  for (const YamlValue& model : index.items) {
    if (!has_strings(&model, {"name"})) return invalid("has an entry without name");
    const YamlValue* results = model.find("results");
    if (results == nullptr || results->kind != YamlKind::kList) {
      return invalid("has an entry without results");
    }
    for (const YamlValue& result : results->items) HUBREV_CHECK(check_result(result));
  }
  return {};
}

YamlValue put_metrics(YamlValue index, const FixContext& context, const std::string& model,
                      const std::string& task) {
  for (YamlValue& entry : index.items) {
    std::vector<YamlValue>& results = entry.find("results")->items;
    results.erase(std::remove_if(results.begin(), results.end(), is_ours), results.end());
  }
  YamlValue metrics = metrics_of(context);
  if (metrics.items.empty()) return index;
  if (index.items.empty()) {
    index = YamlValue::list(
        {YamlValue::map({{"name", YamlValue::string(model)}, {"results", YamlValue::list({})}})});
  }
  index.items.front().find("results")->items.push_back(
      result_of(context, std::move(metrics), task));
  return index;
}

}  // namespace hubrev
