// The card fix; sections are files of the checkpoint, "trainer" is the trainer's own card.

#include "plugin/fixes/card_metadata.h"
#include "plugin/fixes/card_text.h"
#include "plugin/fixes/choice_card.h"
#include "plugin/fixes/fix.h"
#include "plugin/fixes/text.h"
#include "plugin/fixes/yaml_value.h"
#include "tests/fuzz/fuzz.h"

namespace hubrev::fuzz {
namespace {

FixContext context_of(const Sections& sections) {
  FixContext context;
  context.repo_id = "team/model";
  context.revision = "step-000000010";
  context.endpoint = "https://hub.example";
  context.page = "https://hub.example/team/model/tree/step-000000010";
  context.step = 10;
  context.epoch = 0.5;
  context.metrics = {{"eval_loss", 1.25}, {"eval_runtime", 3.0}};
  context.tags = {"trl"};
  context.datasets = {"team/data"};
  context.license = "apache-2.0";
  const std::string card = section(sections, "trainer");
  if (!card.empty()) context.trainer_card = card;
  return context;
}

// The front matter is what the Hub accepts, and the body is a person's, but for our section.
void check_card(const std::string& card) {
  HUBREV_REQUIRE(is_text(card), card);
  const CardText text = split_card(card);
  HUBREV_REQUIRE(text.front_matter.has_value(), card);
  const auto values = parse_yaml(*text.front_matter);
  HUBREV_REQUIRE(values.ok(), card);
  // Nothing in it has to be repaired once more.
  const CardMetadata metadata = complete_metadata(*values, {}, {});
  HUBREV_REQUIRE(metadata.warnings.empty() && check_metadata(metadata.values).ok(), card);
  HUBREV_REQUIRE(values->find("library_name") && values->find("model-index"), card);
  HUBREV_REQUIRE(text.body.find("## This revision") != std::string::npos, card);
}

void check_body(const std::string& before, const std::string& after, const FixEdit& edit) {
  if (edit.detail != "README.md: made from the checkpoint's card") return;
  const std::string old = split_card(before).body;
  if (old.find("<!-- hub-revisions: ") != std::string::npos) return;
  HUBREV_REQUIRE(split_card(after).body.starts_with(old), after);
}

// Promoting completes any card of ours, and once more changes nothing.
void check_choice(const std::string& card) {
  Choice choice;
  choice.revision = "step-000000010";
  choice.scores = {{"heldout", "https://hub.example/r.json", {{"loss", 0.5}}}};
  choice.rows = {{"rule", "heldout/loss:min"}};
  choice.chart = "revisions.svg";
  const auto promoted = put_choice(card, choice);
  HUBREV_REQUIRE(promoted.ok(), card);
  check_card(*promoted);
  const auto again = put_choice(*promoted, choice);
  HUBREV_REQUIRE(again.ok() && *again == *promoted, *promoted);
}

}  // namespace

HUBREV_FUZZ(input) {
  const Sections sections = sections_of(input);
  Snapshot snapshot = snapshot_of(sections);
  const Entry* own = find_entry(snapshot, "README.md");
  const std::string before = own == nullptr ? "" : bytes_of(*own);
  const FixContext context = context_of(sections);
  const auto edit = fix_card(snapshot, context);
  HUBREV_REQUIRE(edit.ok(), edit.error().message);  // a bad card never blocks weights
  require_shown(edit->detail);
  for (const std::string& warning : edit->warnings) require_shown(warning);
  for (const Entry& entry : edit->entries) put_entry(snapshot, entry);
  const Entry* card = find_entry(snapshot, "README.md");
  HUBREV_REQUIRE(card != nullptr, edit->detail);
  check_card(bytes_of(*card));
  check_body(before, bytes_of(*card), *edit);
  check_choice(bytes_of(*card));
  (void)put_choice(before, {});
  const auto again = fix_card(snapshot, context);
  HUBREV_REQUIRE(again.ok() && again->entries.empty(), bytes_of(*card));
  HUBREV_REQUIRE(minimal_card(snapshot, context).ok(), "not even a minimal card");
}

}  // namespace hubrev::fuzz
