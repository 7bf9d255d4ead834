#pragma once
// What a checkpoint's own files say about the model, for its card.

#include <string>

#include "plugin/base/result.h"
#include "plugin/types/snapshot.h"

namespace hubrev {

enum class Companion { kNone, kTokenizer, kProcessor };

struct ModelFacts {
  bool adapter = false;    // adapter_config.json without config.json
  std::string base_model;  // as the trainer wrote it, maybe a local path; "" if unknown
  std::string framework;   // Python package that loads it: "transformers", "peft"
  std::string auto_class;  // e.g. "AutoModelForCausalLM"
  std::string task;        // the Hub's task id, e.g. "text-generation"; "" if unknown
  Companion companion = Companion::kNone;  // what to load beside the model
};

// A configuration that is no JSON counts as one that says nothing; errors are those of reading.
Result<ModelFacts> read_model_facts(const Snapshot& snapshot);

}  // namespace hubrev
