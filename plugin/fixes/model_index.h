#pragma once
// The card's `model-index`: evaluation results. Shape: hub-docs modelcard.md and huggingface_hub's
// model_index_to_eval_results.

#include <string>

#include "plugin/base/result.h"
#include "plugin/fixes/fix.h"
#include "plugin/fixes/yaml_value.h"

namespace hubrev {

// kInvalidInput says what the Hub would refuse.
Status check_model_index(const YamlValue& index);

// `index` (valid, or an empty list) with this step's finite metrics as a result of ours, in place
// of an earlier one of ours. `model` names an entry that has to be made, `task` is the Hub's task
// id.
YamlValue put_metrics(YamlValue index, const FixContext& context, const std::string& model,
                      const std::string& task);

}  // namespace hubrev
