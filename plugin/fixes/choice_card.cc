#include "plugin/fixes/choice_card.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "plugin/fixes/card_metadata.h"
#include "plugin/fixes/card_text.h"
#include "plugin/fixes/model_index.h"
#include "plugin/fixes/text.h"

namespace hubrev {
namespace {

// Marks a result of the model-index as an evaluation's; that of a trainer has another name.
constexpr std::string_view kSourceName = "hub-revisions evaluations";

bool is_evaluation(const YamlValue& result) {
  const YamlValue* source = result.find("source");
  const YamlValue* name = source == nullptr ? nullptr : source->find("name");
  return name != nullptr && name->text == kSourceName;
}

// The Hub wants a task id; the card may know the model's.
std::string task_of(const YamlValue& metadata) {
  const YamlValue* tag = metadata.find("pipeline_tag");
  return tag != nullptr && tag->is_scalar() && !tag->text.empty() ? tag->text : "text-generation";
}

YamlValue result_of(const Scores& scores, const std::string& task) {
  std::vector<YamlValue> metrics;
  for (const auto& [key, value] : scores.metrics) {
    const std::string name = printable(key);
    if (name.empty() || !std::isfinite(value)) continue;
    metrics.push_back(YamlValue::map({{"type", YamlValue::string(name)},
                                      {"name", YamlValue::string(name)},
                                      {"value", YamlValue::number(value)}}));
  }
  const std::string dataset = printable(scores.dataset);
  return YamlValue::map({{"task", YamlValue::map({{"type", YamlValue::string(task)}})},
                         {"dataset", YamlValue::map({{"name", YamlValue::string(dataset)},
                                                     {"type", YamlValue::string(dataset)}})},
                         {"metrics", YamlValue::list(std::move(metrics))},
                         {"source", YamlValue::map({{"name", YamlValue::string(kSourceName)},
                                                    {"url", YamlValue::string(scores.url)}})}});
}

YamlValue put_scores(YamlValue index, const Choice& choice, const std::string& task) {
  for (YamlValue& entry : index.items) {
    std::erase_if(entry.find("results")->items, is_evaluation);
  }
  if (choice.scores.empty()) return index;
  if (index.items.empty()) {
    index = YamlValue::list({YamlValue::map(
        {{"name", YamlValue::string(choice.revision)}, {"results", YamlValue::list({})}})});
  }
  std::vector<YamlValue>& results = index.items.front().find("results")->items;
  for (const Scores& scores : choice.scores) results.push_back(result_of(scores, task));
  return index;
}

std::string section_of(const Choice& choice) {
  std::string text = "## Revisions\n\n| | |\n|---|---|\n";
  text += "| promoted | " + table_cell(choice.revision) + " |\n";
  for (const auto& [name, value] : choice.rows) {
    text += "| " + table_cell(name) + " | " + table_cell(value) + " |\n";
  }
  if (!choice.chart.empty()) {
    text += "\n![The metric over the steps of training](" + choice.chart + ")\n";
  }
  return text;
}

}  // namespace

Result<std::string> put_choice(const std::string& card, const Choice& choice) {
  if (!is_text(card)) return make_error(ErrorKind::kInvalidInput, "README.md is not UTF-8 text");
  CardText text = split_card(card);
  HUBREV_TRY(YamlValue existing, read_front_matter(text));
  YamlValue metadata = repair_metadata(std::move(existing)).values;
  const YamlValue* known = metadata.find("model-index");
  YamlValue index = known == nullptr ? YamlValue::list({}) : *known;
  HUBREV_CHECK(check_model_index(index));
  index = put_scores(std::move(index), choice, task_of(metadata));
  if (!index.items.empty()) metadata.set("model-index", std::move(index));
  std::string front_matter;
  if (!metadata.members.empty()) {
    HUBREV_TRY(front_matter, write_front_matter(metadata));
  }
  text.body = put_section(text, CardSection::kChoice, section_of(choice));
  return join_card(text, front_matter);
}

}  // namespace hubrev
