#include "plugin/pipeline/message.h"

#include <gtest/gtest.h>

#include <cmath>

#include "plugin/base/sha256.h"

namespace hubrev {
namespace {

JobRecord sample() {
  JobRecord record;
  record.revision = "step-000000040";
  record.step = 40;
  record.epoch = 1.25;
  record.tokens = 2'460'000'000'000;
  record.metrics = {{"eval_loss", 0.1}, {"eval_a=b", -3e-5}, {"eval_nan", std::nan("")}};
  record.fixes = {{"eos", FixOutcome::kApplied, "generation_config.json: 0 -> [2, 0]", {}},
                  {"use_cache", FixOutcome::kUnchanged, "no use_cache: false found", {}}};
  return record;
}

TEST(Message, ReadsBackWhatItWrote) {
  const RevisionFacts facts = parse_message(revision_message(sample(), "sha256:00"));
  EXPECT_EQ(facts.revision, "step-000000040");
  EXPECT_EQ(facts.step, 40);
  EXPECT_EQ(facts.epoch, 1.25);
  EXPECT_EQ(facts.tokens, 2'460'000'000'000);
  const std::map<std::string, double> metrics = {{"eval_loss", 0.1}, {"eval_a=b", -3e-5}};
  EXPECT_EQ(facts.metrics, metrics) << "NaN is left out, names may hold '='";
  EXPECT_EQ(facts.fixes, std::vector<std::string>{"eos: generation_config.json: 0 -> [2, 0]"});
  EXPECT_EQ(facts.content_digest, "sha256:00");
}

TEST(Message, IsTheSameEachTime) {
  EXPECT_EQ(revision_message(sample(), "sha256:00"), revision_message(sample(), "sha256:00"));
}

TEST(Message, ALineBreakCannotForgeATrailer) {
  JobRecord record = sample();
  record.fixes[0].detail = "x\nStep: 99";
  EXPECT_EQ(parse_message(revision_message(record, "sha256:00")).step, 40);
}

TEST(Message, OtherCommitsHaveNoFacts) {
  for (const char* text :
       {"", "initial commit\n", "Step: what\n\nbody", "a\n\nStep: 1x\nMetric: z\n"}) {
    const RevisionFacts facts = parse_message(text);
    EXPECT_EQ(facts.revision, "") << text;
    EXPECT_FALSE(facts.step.has_value()) << text;
    EXPECT_TRUE(facts.metrics.empty()) << text;
  }
}

TEST(Message, OnlyTheLastParagraphCounts) {
  EXPECT_EQ(parse_message("t\n\nStep: 1\n\nStep: 2\n").step, 2);
}

TEST(Message, PromotionNamesItsRevision) {
  const RevisionFacts facts = parse_message(promote_message("step-7", GitId()));
  EXPECT_EQ(facts.promoted, "step-7");
  EXPECT_EQ(facts.revision, "");
}

TEST(ContentDigest, IsThatOfSha256sumLinesInPathOrder) {
  const Sha256 a = sha256("a");
  const Sha256 b = sha256("b");
  const std::string lines = a.hex() + "  a.txt\n" + b.hex() + "  b/c.txt\n";
  EXPECT_EQ(content_digest({{"b/c.txt", b}, {"a.txt", a}}), "sha256:" + sha256(lines).hex());
}

}  // namespace
}  // namespace hubrev
