#include "plugin/pipeline/prune_rules.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace hubrev {
namespace {

GitId id(char c) {
  return *GitId::from_hex(std::string(40, c));
}

std::string step_name(int step) {
  return "step-" + std::to_string(step);
}

// A revision of step n: commit "nnnn", without parents.
KnownRef revision(int step) {
  const char c = static_cast<char>('0' + step);
  return {"refs/heads/" + step_name(step), id(c), step_name(step), step, {id(c)}};
}

RevisionAt wanted(int step) {
  return {step_name(step), id(static_cast<char>('0' + step))};
}

KnownRef main_branch(std::vector<GitId> promoted = {}) {
  KnownRef ref{"refs/heads/main", id('a'), "", -1, {id('a'), id('b')}};
  ref.history.insert(ref.history.end(), promoted.begin(), promoted.end());
  return ref;
}

// "step-1" -> "deleted", "gone", or the reason why it is kept.
std::map<std::string, std::string> verdicts(const std::vector<RevisionAt>& wanted_revisions,
                                            const std::vector<KnownRef>& refs) {
  std::map<std::string, std::string> shown;
  for (const PrunedRevision& one : judge(wanted_revisions, refs)) {
    shown[one.revision] = one.verdict == PruneVerdict::kDeleted ? "deleted"
                          : one.verdict == PruneVerdict::kGone  ? "gone"
                                                                : one.reason;
  }
  return shown;
}

using Shown = std::map<std::string, std::string>;

TEST(PruneRules, WhatNothingHoldsIsDeleted) {
  EXPECT_EQ(
      verdicts({wanted(1), wanted(2)}, {main_branch(), revision(1), revision(2), revision(3)}),
      (Shown{{"step-1", "deleted"}, {"step-2", "deleted"}}));
}

TEST(PruneRules, WhatIsNotThereIsGone) {
  EXPECT_EQ(verdicts({wanted(1)}, {revision(2)}), (Shown{{"step-1", "gone"}}));
  EXPECT_EQ(verdicts({wanted(1)}, {}), (Shown{{"step-1", "gone"}}));
}

TEST(PruneRules, WhatMovedIsKept) {
  KnownRef moved = revision(1);
  moved.commit = id('9');
  EXPECT_EQ(verdicts({wanted(1)}, {moved, revision(2)})["step-1"],
            "it is at " + std::string(40, '9') + " now: somebody else changed it meanwhile");
}

TEST(PruneRules, MainAndEvaluationsAreKeptEvenWhereTheyAreNotThere) {
  const std::vector<RevisionAt> both = {{"main", id('a')}, {"evaluations", id('e')}};
  const std::string never = "this branch is never pruned";
  EXPECT_EQ(verdicts(both, {main_branch(), revision(1)})["main"], never);
  KnownRef records{"refs/heads/evaluations", id('e'), "evaluations", 1, {id('e')}};
  EXPECT_EQ(verdicts(both, {records, revision(1)})["evaluations"], never);
}

TEST(PruneRules, WhatWeDidNotPublishIsKept) {
  const KnownRef foreign{"refs/heads/mine", id('f'), "", -1, {id('f')}};
  EXPECT_EQ(verdicts({{"mine", id('f')}}, {foreign, revision(1)})["mine"],
            "hub-revisions did not publish it");
}

TEST(PruneRules, APointerHoldsItsRevisionAndStaysItself) {
  KnownRef pointer = revision(1);
  pointer.name = "refs/heads/latest";
  EXPECT_EQ(verdicts({wanted(1), {"latest", id('1')}}, {pointer, revision(1), revision(2)}),
            (Shown{{"step-1", "branch 'latest' points to it"},
                   {"latest", "it is another name for 'step-1'"}}));
}

TEST(PruneRules, ATagOrAnotherRefHoldsIt) {
  KnownRef tag = revision(1);
  tag.name = "refs/tags/v1";
  EXPECT_EQ(verdicts({wanted(1)}, {revision(1), revision(2), tag})["step-1"],
            "tag 'v1' points to it");
  tag.name = "refs/pr/7";
  EXPECT_EQ(verdicts({wanted(1)}, {revision(1), revision(2), tag})["step-1"],
            "refs/pr/7 points to it");
}

TEST(PruneRules, WhatWasPromotedIsKeptHoweverLongAgo) {
  EXPECT_EQ(verdicts({wanted(1), wanted(2)}, {main_branch({id('1')}), revision(1), revision(2)}),
            (Shown{{"step-1", "it was promoted into branch 'main'"}, {"step-2", "deleted"}}));
}

// 3 descends from 2, which descends from 1: they go together or stay together.
TEST(PruneRules, WhatAKeptOneDescendsFromIsKept) {
  KnownRef second = revision(2);
  second.history = {id('2'), id('1')};
  KnownRef third = revision(3);
  third.history = {id('3'), id('2'), id('1')};
  const std::vector<RevisionAt> all = {wanted(1), wanted(2), wanted(3)};
  std::vector<KnownRef> refs = {revision(1), second, third, revision(4)};
  EXPECT_EQ(verdicts(all, refs),
            (Shown{{"step-1", "deleted"}, {"step-2", "deleted"}, {"step-3", "deleted"}}));
  KnownRef tag = third;
  tag.name = "refs/tags/v1";
  refs.push_back(tag);
  EXPECT_EQ(verdicts(all, refs), (Shown{{"step-1", "it was promoted into branch 'step-3'"},
                                        {"step-2", "it was promoted into branch 'step-3'"},
                                        {"step-3", "tag 'v1' points to it"}}));
}

TEST(PruneRules, TheLastCopyIsKept) {
  const std::vector<RevisionAt> all = {wanted(3), wanted(1), wanted(2)};
  EXPECT_EQ(verdicts(all, {main_branch(), revision(1), revision(2), revision(3)}),
            (Shown{{"step-1", "deleted"},
                   {"step-2", "deleted"},
                   {"step-3", "it is the last revision of this repository"}}));
  EXPECT_EQ(verdicts({wanted(1)}, {main_branch(), revision(1)})["step-1"],
            "it is the last revision of this repository");
}

// Another name for a revision, or somebody's branch, is no other copy.
TEST(PruneRules, OnlyARevisionCountsAsAnotherCopy) {
  KnownRef pointer = revision(1);
  pointer.name = "refs/heads/latest";
  pointer.commit = id('7');
  pointer.history = {id('7')};
  const KnownRef foreign{"refs/heads/mine", id('f'), "", -1, {id('f')}};
  EXPECT_EQ(verdicts({wanted(1)}, {pointer, foreign, revision(1)})["step-1"],
            "it is the last revision of this repository");
}

TEST(PruneRules, EachNameIsJudgedOnceInOrder) {
  const auto judged =
      judge({wanted(2), wanted(1), wanted(2)}, {revision(1), revision(2), revision(3)});
  ASSERT_EQ(judged.size(), 2u);
  EXPECT_EQ(judged[0].revision, "step-2");
  EXPECT_EQ(judged[1].revision, "step-1");
}

}  // namespace
}  // namespace hubrev
