#pragma once
// The front matter's rules: what the Hub accepts, and what a revision adds.

#include <string>
#include <vector>

#include "plugin/base/result.h"
#include "plugin/fixes/card_text.h"
#include "plugin/fixes/fix.h"
#include "plugin/fixes/model_facts.h"
#include "plugin/fixes/yaml_value.h"

namespace hubrev {

struct CardMetadata {
  YamlValue values;  // a map
  std::vector<std::string> warnings;
};

// `existing` (a map) without what the Hub would refuse, with a warning for each field left out.
CardMetadata repair_metadata(YamlValue existing);

// `existing` (a map) repaired and completed; its keys keep their order and what is not ours to know
// stays. Fields that the Hub would refuse are left out, with a warning.
CardMetadata complete_metadata(YamlValue existing, const FixContext& context,
                               const ModelFacts& facts);

// What the Hub refuses in front matter, as far as it can be known without asking it. kInvalidInput.
Status check_metadata(const YamlValue& metadata);

// The card's front matter as a map, empty where there is none. kInvalidInput for what is no map.
Result<YamlValue> read_front_matter(const CardText& card);

// Checked, and proven to read back as it was meant. kInvalidInput for what the Hub would refuse.
Result<std::string> write_front_matter(const YamlValue& metadata);

// Whether `name` has the form of a Hub repository id and does not look like a folder of a trainer.
bool is_model_id(const std::string& name);

}  // namespace hubrev
