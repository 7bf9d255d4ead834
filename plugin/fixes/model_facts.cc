#include "plugin/fixes/model_facts.h"

#include <array>
#include <optional>
#include <string_view>

#include "plugin/fixes/entry_text.h"

namespace hubrev {
namespace {

struct Head {
  std::string_view suffix;  // of the architecture's name
  std::string_view auto_class;
  std::string_view task;
};

constexpr std::array kHeads = {
    Head{"ForCausalLM", "AutoModelForCausalLM", "text-generation"},
    Head{"LMHeadModel", "AutoModelForCausalLM", "text-generation"},
    Head{"ForSequenceClassification", "AutoModelForSequenceClassification", "text-classification"},
    Head{"ForTokenClassification", "AutoModelForTokenClassification", "token-classification"},
    Head{"ForQuestionAnswering", "AutoModelForQuestionAnswering", "question-answering"},
    Head{"ForMultipleChoice", "AutoModelForMultipleChoice", "multiple-choice"},
    Head{"ForMaskedLM", "AutoModelForMaskedLM", "fill-mask"},
    Head{"ForImageClassification", "AutoModelForImageClassification", "image-classification"},
    Head{"ForObjectDetection", "AutoModelForObjectDetection", "object-detection"},
    Head{"ForSemanticSegmentation", "AutoModelForSemanticSegmentation", "image-segmentation"},
    Head{"ForAudioClassification", "AutoModelForAudioClassification", "audio-classification"},
    Head{"ForSpeechSeq2Seq", "AutoModelForSpeechSeq2Seq", "automatic-speech-recognition"},
    Head{"ForCTC", "AutoModelForCTC", "automatic-speech-recognition"},
};

// One suffix, three families.
Head conditional_generation(const JsonText& config, std::string_view architecture) {
  if (architecture.starts_with("Whisper") || architecture.starts_with("Speech")) {
    return {"", "AutoModelForSpeechSeq2Seq", "automatic-speech-recognition"};
  }
  if (config.find({"vision_config"})) {
    return {"", "AutoModelForImageTextToText", "image-text-to-text"};
  }
  return {"", "AutoModelForSeq2SeqLM", "text2text-generation"};
}

Head head_of(const JsonText& config) {
  const Head unknown{"", "AutoModel", ""};
  const auto names = config.find({"architectures"});
  if (!names) return unknown;
  const auto items = config.children(*names);
  if (items.empty()) return unknown;
  const std::string name = config.string(items.front()).value_or("");
  if (name.ends_with("ForConditionalGeneration")) return conditional_generation(config, name);
  for (const Head& head : kHeads) {
    if (name.ends_with(head.suffix)) return head;
  }
  return unknown;
}

// PEFT's task types (peft/utils/peft_types.py).
struct AdapterHead {
  std::string_view task_type;
  std::string_view auto_class;
  std::string_view task;
};

constexpr std::array kAdapterHeads = {
    AdapterHead{"CAUSAL_LM", "AutoPeftModelForCausalLM", "text-generation"},
    AdapterHead{"SEQ_CLS", "AutoPeftModelForSequenceClassification", "text-classification"},
    AdapterHead{"SEQ_2_SEQ_LM", "AutoPeftModelForSeq2SeqLM", "text2text-generation"},
    AdapterHead{"TOKEN_CLS", "AutoPeftModelForTokenClassification", "token-classification"},
    AdapterHead{"QUESTION_ANS", "AutoPeftModelForQuestionAnswering", "question-answering"},
    AdapterHead{"FEATURE_EXTRACTION", "AutoPeftModelForFeatureExtraction", "feature-extraction"},
};

AdapterHead adapter_head(const JsonText& config) {
  const std::string type = config.string_member(JsonText::kRoot, "task_type").value_or("");
  for (const AdapterHead& head : kAdapterHeads) {
    if (type == head.task_type) return head;
  }
  return {"", "AutoPeftModel", ""};
}

Result<std::optional<JsonText>> read_leniently(const Snapshot& snapshot, const std::string& path) {
  Result<std::optional<JsonText>> json = read_object(snapshot, path);
  if (!json.ok() && json.error().kind == ErrorKind::kInvalidInput) return std::optional<JsonText>();
  return json;
}

Companion companion_of(const Snapshot& snapshot) {
  for (const char* path : {"processor_config.json", "preprocessor_config.json"}) {
    if (find_entry(snapshot, path) != nullptr) return Companion::kProcessor;
  }
  for (const char* path : {"tokenizer_config.json", "tokenizer.json", "tekken.json"}) {
    if (find_entry(snapshot, path) != nullptr) return Companion::kTokenizer;
  }
  return Companion::kNone;
}

}  // namespace

Result<ModelFacts> read_model_facts(const Snapshot& snapshot) {
  HUBREV_TRY(const auto config, read_leniently(snapshot, "config.json"));
  HUBREV_TRY(const auto adapter, read_leniently(snapshot, "adapter_config.json"));
  ModelFacts facts;
  facts.adapter = find_entry(snapshot, "config.json") == nullptr &&
                  find_entry(snapshot, "adapter_config.json") != nullptr;
  facts.framework = facts.adapter ? "peft" : "transformers";
  facts.auto_class = facts.adapter ? "AutoPeftModel" : "AutoModel";
  facts.companion = companion_of(snapshot);
  if (adapter) {
    facts.base_model =
        adapter->string_member(JsonText::kRoot, "base_model_name_or_path").value_or("");
  }
  if (config && facts.base_model.empty()) {
    facts.base_model = config->string_member(JsonText::kRoot, "_name_or_path").value_or("");
  }
  if (facts.adapter && adapter) {
    const AdapterHead head = adapter_head(*adapter);
    facts.auto_class = head.auto_class;
    facts.task = head.task;
  } else if (config) {
    const Head head = head_of(*config);
    facts.auto_class = head.auto_class;
    facts.task = head.task;
  }
  return facts;
}

}  // namespace hubrev
