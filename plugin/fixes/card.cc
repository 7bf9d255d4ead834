// The card fix: which card to start from, and what to do when it cannot be used.

#include <string>
#include <utility>

#include "plugin/fixes/card_metadata.h"
#include "plugin/fixes/card_text.h"
#include "plugin/fixes/entry_text.h"
#include "plugin/fixes/fix.h"
#include "plugin/fixes/model_facts.h"
#include "plugin/fixes/revision_section.h"
#include "plugin/fixes/text.h"

namespace hubrev {
namespace {

constexpr const char* kPath = "README.md";
constexpr std::uint64_t kMaxCardBytes = std::uint64_t{1} << 20;

// A card to start from.
struct Candidate {
  std::string origin;  // for people
  std::string bytes;
};

struct CompletedCard {
  std::string bytes;
  std::vector<std::string> warnings;
};

// kInvalidInput when no valid card can be made of `bytes`.
Result<CompletedCard> complete_card(const std::string& bytes, const FixContext& context,
                                    const ModelFacts& facts) {
  if (bytes.size() > kMaxCardBytes) {
    return make_error(ErrorKind::kInvalidInput, "it is larger than 1 MiB");
  }
  if (!is_text(bytes)) return make_error(ErrorKind::kInvalidInput, "it is not UTF-8 text");
  CardText text = split_card(bytes);
  HUBREV_TRY(YamlValue existing, read_front_matter(text));
  CardMetadata metadata = complete_metadata(std::move(existing), context, facts);
  HUBREV_TRY(const std::string front_matter, write_front_matter(metadata.values));
  text.body = put_section(text, CardSection::kRevision, revision_section(context, facts));
  return CompletedCard{join_card(text, front_matter), std::move(metadata.warnings)};
}

std::string new_body(const FixContext& context) {
  const std::string name = printable(context.repo_id.substr(context.repo_id.rfind('/') + 1));
  return "\n# " + (name.empty() ? "Model" : name) + "\n\nA checkpoint published during training.\n";
}

bool is_generic(const std::string& card) {
  const CardText text = split_card(card);
  // One that we have completed stays the one to complete.
  if (!is_unfilled_template(text.body) || has_section(text, CardSection::kRevision)) return false;
  const Result<YamlValue> values = read_front_matter(text);
  const YamlValue* library = values.ok() ? values->find("library_name") : nullptr;
  return library != nullptr && library->text == "peft";
}

// The cards to try, best first. The one PEFT puts into a checkpoint is a template; the trainer's
// own in output_dir says more.
std::vector<Candidate> candidates(const std::optional<std::string>& own,
                                  const FixContext& context) {
  std::vector<Candidate> found;
  if (own) found.push_back({"the checkpoint's card", *own});
  if (context.trainer_card && !context.trainer_card->empty()) {
    const bool first = own && is_generic(*own);
    found.insert(first ? found.begin() : found.end(),
                 {"the trainer's card in output_dir", *context.trainer_card});
  }
  found.push_back({"scratch", new_body(context)});
  return found;
}

}  // namespace

Result<FixEdit> fix_card(const Snapshot& snapshot, const FixContext& context) {
  FixEdit edit;
  if (context.card == CardPolicy::kOff) {
    edit.outcome = FixOutcome::kSkipped;
    edit.detail = "switched off by the setting 'card'";
    return edit;
  }
  HUBREV_TRY(const ModelFacts facts, read_model_facts(snapshot));
  Result<std::optional<std::string>> read = read_text(snapshot, kPath, kMaxCardBytes);
  if (!read.ok() && read.error().kind != ErrorKind::kInvalidInput) return std::move(read).error();
  if (!read.ok()) edit.warnings.push_back(read.error().message + "; it was not used");
  const std::optional<std::string> own = read.ok() ? std::move(read).value() : std::nullopt;
  for (const Candidate& candidate : candidates(own, context)) {
    Result<CompletedCard> card = complete_card(candidate.bytes, context, facts);
    if (!card.ok()) {
      edit.warnings.push_back("README.md: " + candidate.origin +
                              " was not used: " + card.error().message);
      continue;
    }
    for (std::string& warning : card->warnings) edit.warnings.push_back(std::move(warning));
    if (own == card->bytes) {
      edit.detail = "README.md is complete";
      return edit;
    }
    edit.outcome = FixOutcome::kApplied;
    edit.detail = "README.md: made from " + candidate.origin;
    edit.entries.push_back({kPath, Source::from_bytes(std::move(card->bytes))});
    return edit;
  }
  return make_error(ErrorKind::kInternal, "README.md: not even a card made from scratch is valid");
}

Result<Entry> minimal_card(const Snapshot& snapshot, const FixContext& context) {
  FixContext bare = context;
  bare.tags.clear();
  bare.datasets.clear();
  bare.base_model.clear();
  bare.license.clear();
  bare.system_prompt.clear();
  HUBREV_TRY(const ModelFacts facts, read_model_facts(snapshot));
  HUBREV_TRY(CompletedCard card, complete_card(new_body(bare), bare, facts));
  return Entry{kPath, Source::from_bytes(std::move(card.bytes))};
}

}  // namespace hubrev
