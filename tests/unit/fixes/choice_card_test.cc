#include "plugin/fixes/choice_card.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace hubrev {
namespace {

constexpr const char* kCard =
    "---\n"
    "library_name: transformers\n"
    "model-index:\n"
    "- name: tiny\n"
    "  results:\n"
    "  - task:\n"
    "      type: text-generation\n"
    "    dataset:\n"
    "      name: evaluation set\n"
    "      type: unknown\n"
    "    metrics:\n"
    "    - type: loss\n"
    "      value: 1.5\n"
    "---\n"
    "# Tiny\n";

Choice tiny_choice() {
  Choice choice;
  choice.revision = "step-000000020";
  choice.scores = {
      {"heldout", "https://hub.test/me/tiny/blob/evaluations/r.json", {{"loss", 0.5}}}};
  choice.rows = {{"rule", "heldout/loss:min"}, {"heldout/loss", "0.5 ± 0.01"}};
  choice.chart = "revisions.svg";
  return choice;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(ChoiceCard, ScoresJoinTheTrainersOwn) {
  const auto card = put_choice(kCard, tiny_choice());
  ASSERT_TRUE(card.ok()) << card.error().message;
  EXPECT_TRUE(contains(*card, "library_name: transformers\n") ||
              contains(*card, "library_name: \"transformers\"\n"))
      << *card;
  EXPECT_TRUE(contains(*card, "value: 1.5")) << *card;
  EXPECT_TRUE(contains(*card, "value: 0.5")) << *card;
  EXPECT_TRUE(contains(*card, "blob/evaluations/r.json")) << *card;
  EXPECT_TRUE(contains(*card, "| promoted | step-000000020 |\n| rule | heldout/loss:min |\n"))
      << *card;
  EXPECT_TRUE(contains(*card, "](revisions.svg)\n")) << *card;
  EXPECT_TRUE(contains(*card, "# Tiny\n")) << *card;
}

TEST(ChoiceCard, TwiceIsOnce) {
  const std::string once = put_choice(kCard, tiny_choice()).value();
  EXPECT_EQ(put_choice(once, tiny_choice()).value(), once);
  Choice other = tiny_choice();
  other.scores = {};
  const std::string without = put_choice(once, other).value();
  EXPECT_FALSE(contains(without, "value: 0.5")) << without;
  EXPECT_TRUE(contains(without, "value: 1.5")) << without;
}

TEST(ChoiceCard, ACardWithoutFrontMatterGetsOne) {
  const std::string card = put_choice("# Tiny\n", tiny_choice()).value();
  EXPECT_TRUE(card.starts_with("---\nmodel-index:\n")) << card;
  EXPECT_TRUE(contains(card, "name: \"step-000000020\"") || contains(card, "name: step-000000020"))
      << card;
}

TEST(ChoiceCard, WithoutScoresAndFrontMatterTheCardStaysValid) {
  Choice choice = tiny_choice();
  choice.scores = {};
  choice.chart = "";
  const std::string card = put_choice("", choice).value();
  EXPECT_TRUE(contains(card, "## Revisions\n")) << card;
  EXPECT_FALSE(contains(card, "![")) << card;
}

TEST(ChoiceCard, OthersWordsEndNoCellAndOpenNoMarkup) {
  Choice choice = tiny_choice();
  choice.rows = {{"a|b", "x\n| y <img src=x> [z](u)"}};
  const std::string card = put_choice(kCard, choice).value();
  EXPECT_TRUE(contains(card, "| a\\|b | x \\| y &lt;img src=x> \\[z\\](u) |\n")) << card;
}

TEST(ChoiceCard, NoNumbersThatAreNone) {
  Choice choice = tiny_choice();
  choice.scores[0].metrics = {
      {"nan", std::nan("")}, {"inf", std::numeric_limits<double>::infinity()}, {"fine", 2.0}};
  const std::string card = put_choice(kCard, choice).value();
  EXPECT_FALSE(contains(card, "nan")) << card;
  EXPECT_FALSE(contains(card, "inf\"")) << card;
  EXPECT_TRUE(contains(card, "fine")) << card;
}

TEST(ChoiceCard, WhatIsNoCardIsRefused) {
  EXPECT_EQ(put_choice("\xFF\xFE", tiny_choice()).error().kind, ErrorKind::kInvalidInput);
  EXPECT_EQ(put_choice("---\n- a\n---\n", tiny_choice()).error().kind, ErrorKind::kInvalidInput);
  EXPECT_EQ(put_choice("---\nmodel-index: 3\n---\n", tiny_choice()).error().kind,
            ErrorKind::kInvalidInput);
}

}  // namespace
}  // namespace hubrev
